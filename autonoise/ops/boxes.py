"""Masks of spans and boxes, one for each sample."""

from __future__ import annotations

import torch
from torch import Tensor


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
