"""Memory for large results on a CPU that is used again and again, and work on it in blocks that fit into the cache.

A fresh block of memory of several megabytes costs a CPU five times as much as what is then written to it, since the
operating system hands it out and clears it page by page.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEAST = 1 << 17
"""The smallest result in bytes that gets such memory; smaller ones are no faster with it."""
MOST = 1 << 28
"""The bytes that may lie here unused, 256 MB: three batches of 64 x 3 x 224 x 224 pixels, and some smaller ones."""
BLOCK = 1 << 17
"""The number of values of a block: half a megabyte of float32, so that a block and its result stay in the cache."""
_NUMPY = {torch.float32: np.float32, torch.float64: np.float64, torch.float16: np.float16}
_free: dict[int, list[NDArray[np.uint8]]] = {}
"""By size in bytes, the blocks of memory that no tensor uses any more."""
_lock = threading.RLock()


def empty(shape: tuple[int, ...] | torch.Size, like: Tensor) -> Tensor:
    """Return an uninitialised tensor of a shape, in the dtype and on the device of ``like``.

    On a CPU the memory of a large one is taken from an earlier tensor that nobody can reach any more: neither it, nor a
    view, nor a NumPy array of it, nor the graph of a backward pass.
    """
    kind = _NUMPY.get(like.dtype)
    size = math.prod(shape) * like.element_size()
    if kind is None or size < LEAST or like.device.type != "cpu":
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    with _lock:
        unused = _free.get(size)
        memory = unused.pop() if unused else np.empty(size, dtype=np.uint8)
    # the tensor holds this array as long as its memory is in use, and no other array holds it
    loan = memory.view(kind).reshape(tuple(shape))
    weakref.finalize(loan, _take_back, memory).atexit = False
    return torch.from_numpy(loan)


def empty_like(x: Tensor) -> Tensor:
    """Return an uninitialised, contiguous tensor of x's shape, dtype and device, as :func:`empty` does."""
    return empty(x.shape, x)


def _take_back(memory: NDArray[np.uint8]) -> None:
    with _lock:
        _free.setdefault(memory.nbytes, []).append(memory)
        held = sum(size * len(blocks) for size, blocks in _free.items())
        for size in list(_free):
            # sizes that were met first go first: a new size of batch replaces the one before it
            while held > MOST and _free[size]:
                _free[size].pop(0)
                held -= size
            if not _free[size]:
                del _free[size]


def in_blocks(change: Callable[..., object], x: Tensor, *each: Tensor) -> Tensor:
    """Let ``change`` write a new tensor of x's shape and dtype, a block of rows at a time, and return it.

    ``change(x_rows, out_rows, *each_rows)`` gets some rows of x, the same rows of the result, which it fills, and those
    of ``each``: tensors with as many rows as x, or with a single one that holds for all. On other devices than a CPU
    there is one block. No gradient flows through it.
    """
    x = x.detach()
    out = empty_like(x)
    blocks = blocks_of(x)
    if len(blocks) == 1:
        change(x, out, *each)
        return out
    for rows in blocks:
        change(x[rows], out[rows], *(e if len(e) == 1 else e[rows] for e in each))
    return out


def put(values: Tensor, out: Tensor, bounds: tuple[float, float] | None) -> None:
    """Write values to ``out``, clipped to ``bounds`` where there are any, in one pass."""
    if bounds is None or values.dtype != out.dtype:
        out.copy_(clip_(values, bounds))
    else:
        torch.clamp(values, *bounds, out=out)


def clip_(out: Tensor, bounds: tuple[float, float] | None) -> Tensor:
    """Clip a tensor in place to ``bounds``, where there are any, and return it."""
    return out if bounds is None else out.clamp_(*bounds)


def blocks_of(x: Tensor) -> list[slice]:
    """Return the rows of x, cut into blocks of about ``BLOCK`` values, at least one row each."""
    size = len(x)
    if x.device.type != "cpu" or x.numel() <= BLOCK or not size:
        return [slice(0, size)]
    count = max(1, BLOCK * size // x.numel())
    return [slice(start, start + count) for start in range(0, size, count)]


def is_own(out: Tensor, *others: Tensor) -> bool:
    """Return whether a result has memory of its own, all of it, so that it may be changed in place.

    ``others`` are tensors that it must not share memory with.
    """
    memory = out.untyped_storage()
    whole = out.is_contiguous() and memory.nbytes() == out.numel() * out.element_size()
    return whole and all(memory.data_ptr() != x.untyped_storage().data_ptr() for x in others)


def copied(x: Tensor, bounds: tuple[float, float] | None = None) -> Tensor:
    """Return a copy of x with memory of its own, clipped to ``bounds`` where there are any."""
    out = empty_like(x)
    return out.copy_(x.detach()) if bounds is None else torch.clamp(x.detach(), *bounds, out=out)
