"""Masks of spans and boxes, one for each sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_NUMPY = (torch.float32, torch.float64, torch.float16)


def span_mask(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Return a mask (B, size) that is True in [start, start + length); start and length are whole numbers (B,)."""
    position = torch.arange(size, device=start.device)
    start, length = start[:, None], length[:, None]
    return (position >= start) & (position < start + length)


def box_mask(top: Tensor, left: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a mask (B, 1, H, W) that is True inside each box; what lies outside the image is cut off.

    top, left, height and width are (B,) in pixels, and ``size`` is (H, W).
    """
    rows, columns = span_mask(top, height, size[0]), span_mask(left, width, size[1])
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def quick_alone(x: Tensor) -> bool:
    """Return whether parts of x are best changed one by one: on a CPU, where a mask over all values takes longer."""
    return x.device.type == "cpu" and x.dtype in _NUMPY


def each_box(
    top: Tensor, left: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]
) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and the columns that the box of each sample covers, without what lies outside the image.

    The arguments are those of :func:`box_mask`, on a CPU.
    """
    edges = torch.stack([top, top + height, left, left + width]).numpy().astype(np.int64)
    for above, below, start, end in np.maximum(edges, 0).T.tolist():
        yield slice(above, min(below, size[0])), slice(start, min(end, size[1]))
