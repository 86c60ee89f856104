"""Memory that is used again only when nobody can see it any more, and work on blocks of rows."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from autonoise.ops import buffers
from autonoise.ops.buffers import BLOCK, blocks_of, copied, empty, empty_like, in_blocks, is_own, put

X = torch.rand(8, 3, 128, 128, generator=torch.Generator().manual_seed(0))
"""1.5 MB, three blocks of at most two images."""


@pytest.fixture(autouse=True)
def _nothing_lies_here() -> None:
    gc.collect()
    buffers._free.clear()


def address(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


def test_memory_that_was_given_back_is_used_again() -> None:
    first = empty_like(X)
    where = address(first)
    assert first.shape == X.shape and first.dtype == X.dtype and first.is_contiguous()
    del first
    assert address(empty_like(X)) == where


@pytest.mark.parametrize("keep", ["view", "array", "graph", "storage", "list"])
def test_memory_in_use_is_left_alone(keep: str) -> None:
    first = empty_like(X).fill_(1.0)
    where = address(first)
    weight = torch.ones(1, requires_grad=True)
    ways: dict[str, Callable[[Tensor], object]] = {
        "view": lambda x: x[3, 1],
        "array": lambda x: x.numpy()[2:],
        "graph": lambda x: (x * weight).sum(),
        "storage": lambda x: x.untyped_storage(),
        "list": lambda x: [x],
    }
    kept = ways[keep](first)
    del first
    second = empty_like(X).fill_(2.0)
    assert address(second) != where
    if keep == "graph":
        assert isinstance(kept, Tensor)
        kept.backward()
        assert weight.grad is not None and weight.grad.item() == X.numel()
    if keep == "array":
        assert np.asarray(kept).max() == 1.0
    del kept
    assert address(empty_like(X)) == where


def test_little_memory_lies_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    size = X.numel() * 4
    monkeypatch.setattr(buffers, "MOST", 2 * size)
    held = [empty_like(X) for _ in range(4)]
    assert not buffers._free
    held.clear()
    assert sum(map(len, buffers._free.values())) == 2
    larger = empty((9, 3, 128, 128), X)
    del larger
    # the size that was met first went first
    assert {k: len(v) for k, v in buffers._free.items()} == {9 * size // 8: 1}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64])
def test_other_kinds_of_numbers(dtype: torch.dtype) -> None:
    out = empty((4, 100_000), torch.zeros(1, dtype=dtype))
    assert out.dtype == dtype and out.shape == (4, 100_000)
    assert (out.fill_(3) == 3).all()


def test_it_may_be_trained_with() -> None:
    x = copied(X).requires_grad_()
    y = x * 2
    y.mul_(x.detach()).sum().backward()
    assert torch.equal(x.grad, 2 * X)  # type: ignore[arg-type]


def test_blocks_cover_all_rows_once() -> None:
    assert blocks_of(X) == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    for shape in ((1, BLOCK * 3), (7, BLOCK // 3), (5, BLOCK // 3 + 1), (3, 4), (0, 4)):
        x = torch.empty(shape)
        rows = [i for s in blocks_of(x) for i in range(shape[0])[s]]
        assert rows == list(range(shape[0]))
        assert all(len(range(shape[0])[s]) * shape[1] <= max(BLOCK, shape[1]) for s in blocks_of(x))


def test_each_block_gets_its_own_rows() -> None:
    factor, shift, met = torch.arange(8.0).reshape(8, 1, 1, 1), torch.full((1, 1, 1, 1), 0.5), []

    def change(x: Tensor, out: Tensor, factor: Tensor, shift: Tensor) -> None:
        met.append(len(x))
        torch.add(shift, x * factor, out=out)

    assert torch.equal(in_blocks(change, X, factor, shift), X * factor + shift)
    assert met == [2, 2, 2, 2]
    assert torch.equal(in_blocks(change, X[:1], factor[2:3], shift), X[:1] * 2 + 0.5)


def test_no_gradient_and_nothing_written_to() -> None:
    x, kept = X.clone().requires_grad_(), X.clone()
    out = in_blocks(lambda a, o: torch.mul(a, 2, out=o), x)
    assert not out.requires_grad and torch.equal(out, 2 * kept) and torch.equal(x.detach(), kept)


def test_whose_memory_it_is() -> None:
    x = torch.rand(4, 6)
    assert is_own(x.clone(), x)
    assert not is_own(x, x) and not is_own(x[:], x) and not is_own(x.view(24), x)
    assert not is_own(torch.rand(8, 6)[:4], x), "a part of something larger, such as the table of normal numbers"
    assert not is_own(torch.rand(6, 4).T, x)


def test_put_clips() -> None:
    values, out = torch.tensor([-1.0, 0.5, 2.0]), torch.empty(3)
    put(values.clone(), out, None)
    assert out.tolist() == [-1.0, 0.5, 2.0]
    put(values.clone(), out, (0.0, 1.0))
    assert out.tolist() == [0.0, 0.5, 1.0]
    half = torch.empty(3, dtype=torch.float16)
    put(values.clone(), half, (0.0, 1.0))
    assert half.tolist() == [0.0, 0.5, 1.0]
    assert copied(values, (0.0, 1.0)).tolist() == [0.0, 0.5, 1.0]
