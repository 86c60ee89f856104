"""Random spans and boxes as masks, one per sample."""

from __future__ import annotations

import torch
from torch import Tensor


def span_mask(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Mask (B, size), True in [start, start + length); start and length are (B,) whole numbers."""
    position = torch.arange(size, device=start.device)
    start, length = start[:, None], length[:, None]
    return (position >= start) & (position < start + length)


def box_mask(top: Tensor, left: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]) -> Tensor:
    """Mask (B, 1, H, W), True inside the box; parts outside the image are cut off. Arguments are (B,)."""
    rows, columns = span_mask(top, height, size[0]), span_mask(left, width, size[1])
    return (rows[:, :, None] & columns[:, None, :])[:, None]
