"""Read images at displaced positions, and compute their luminance and scale."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.ops.precision import widen


def centred(size: int, like: Tensor) -> Tensor:
    """Return the coordinates (size,) of the pixels along an axis, in pixels from the image's centre, float32."""
    return torch.arange(size, device=like.device, dtype=torch.float32) - (size - 1) / 2


def affine(x: Tensor, matrix: Tensor, shift: Tensor, fill: str = "zeros") -> Tensor:
    """Map images affinely: the output pixel p = (x, y), from the centre, shows x at ``matrix @ p + shift``.

    x is (B, C, H, W), matrix (B, 2, 2) and shift (B, 2) in pixels; values between pixels are interpolated bilinearly.
    ``fill`` says what is seen outside the image: zeros, border or reflection.
    """
    unit = 2 / torch.tensor([x.shape[-1], x.shape[-2]], device=x.device, dtype=torch.float32)
    across = (matrix[:, :, 0] * unit)[:, None] * centred(x.shape[-1], x)[:, None]
    down = (matrix[:, :, 1] * unit)[:, None] * centred(x.shape[-2], x)[:, None] + (shift * unit)[:, None]
    return _sample(x, down[:, :, None] + across[:, None], fill)


def displace(x: Tensor, field: Tensor, fill: str = "zeros") -> Tensor:
    """Displace single pixels: the output pixel p shows x at p + field, where field is (B, 2, H, W) in pixels (x, y)."""
    width, height = x.shape[-1], x.shape[-2]
    across = (field[:, 0] + centred(width, x)) * (2 / width)
    down = (field[:, 1] + centred(height, x)[:, None]) * (2 / height)
    return _sample(x, torch.stack([across, down], dim=-1), fill)


def _sample(x: Tensor, grid: Tensor, fill: str) -> Tensor:
    """Read x at the positions ``grid`` (B, H, W, 2), where -1 and 1 are the edges of the image."""
    wide = widen(x)
    return F.grid_sample(wide, grid.to(wide.dtype), padding_mode=fill, align_corners=False).to(x.dtype)


def luminance(x: Tensor) -> Tensor:
    """Return the luminance (B, 1, H, W) of RGB images; for any number of channels but three, their mean.

    The three weights are those of the television standard Rec. 601, which PIL uses too.
    """
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def side_scale(x: Tensor) -> float:
    """Return the shorter side in units of 32 pixels, so that sizes given for 32x32 images fit images of any size."""
    return min(x.shape[-2:]) / 32
