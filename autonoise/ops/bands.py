"""Products with matrices that hold nothing but zeros far from their diagonal."""

from __future__ import annotations

import torch
from torch import Tensor

TILE = 64
"""Rows of the result that are computed at once: enough for a fast product, few enough that most zeros are left out."""


def along_rows(x: Tensor, matrix: Tensor, reach: int) -> Tensor:
    """Return ``matrix @ x`` for each image of x (..., H, W); matrix (H, H) is 0 beyond ``reach`` off its diagonal."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    size = x.shape[-2]
    for start in range(0, size, TILE):
        first, last = max(0, start - reach), min(size, start + TILE + reach)
        part = matrix[start : start + TILE, first:last]
        for image, result in zip(x.flatten(0, -3), out.flatten(0, -3), strict=True):
            torch.mm(part, image[first:last], out=result[start : start + TILE])
    return out


def along_columns(x: Tensor, matrix: Tensor, reach: int) -> Tensor:
    """Return ``x @ matrix`` for x (..., W); matrix (W, W) is 0 further than ``reach`` off its diagonal."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    size, rows, results = x.shape[-1], x.flatten(0, -2), out.flatten(0, -2)
    for start in range(0, size, TILE):
        first, last = max(0, start - reach), min(size, start + TILE + reach)
        torch.mm(rows[:, first:last], matrix[first:last, start : start + TILE], out=results[:, start : start + TILE])
    return out
