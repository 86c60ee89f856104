"""Reading images at displaced positions, and what is needed for colour."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.ops.precision import widen


def centred(size: int, like: Tensor) -> Tensor:
    """(size,) float32 coordinates of pixels along an axis; 0 is the centre of the image, 1 a pixel."""
    return torch.arange(size, device=like.device, dtype=torch.float32) - (size - 1) / 2


def affine(x: Tensor, matrix: Tensor, shift: Tensor, fill: str = "zeros") -> Tensor:
    """Output pixel p = (x, y) from the centre shows x at ``matrix @ p + shift``, read bilinearly.

    x (B, C, H, W), matrix (B, 2, 2), shift (B, 2) in pixels. ``fill``: zeros, border or reflection outside.
    """
    unit = 2 / torch.tensor([x.shape[-1], x.shape[-2]], device=x.device, dtype=torch.float32)
    across = (matrix[:, :, 0] * unit)[:, None] * centred(x.shape[-1], x)[:, None]
    down = (matrix[:, :, 1] * unit)[:, None] * centred(x.shape[-2], x)[:, None] + (shift * unit)[:, None]
    return _sample(x, down[:, :, None] + across[:, None], fill)


def displace(x: Tensor, field: Tensor, fill: str = "zeros") -> Tensor:
    """Output pixel p shows x at p + field; field (B, 2, H, W) in pixels (x, y)."""
    width, height = x.shape[-1], x.shape[-2]
    across = (field[:, 0] + centred(width, x)) * (2 / width)
    down = (field[:, 1] + centred(height, x)[:, None]) * (2 / height)
    return _sample(x, torch.stack([across, down], dim=-1), fill)


def _sample(x: Tensor, grid: Tensor, fill: str) -> Tensor:
    wide = widen(x)
    return F.grid_sample(wide, grid.to(wide.dtype), padding_mode=fill, align_corners=False).to(x.dtype)


def luminance(x: Tensor) -> Tensor:
    """(B, 1, H, W) Rec. 601 luminance of RGB; the mean of the channels for any other number of them."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def side_scale(x: Tensor) -> float:
    """Pixels of x per pixel of a 32x32 image, by the shorter side."""
    return min(x.shape[-2:]) / 32
