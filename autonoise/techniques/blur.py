"""Gaussian blur."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from autonoise.ops.dct import dct_matrix
from autonoise.ops.image import side_scale
from autonoise.ops.precision import flat, widen
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.BLUR,
    reference="Lindeberg 1990, Scale-space for discrete signals",
)
class Blur(InputNoise):
    """Blur with the discrete Gaussian kernel of standard deviation sigma * strength * side / 32 pixels.

    In the cosine transform (mirrored borders) the kernel of variance v multiplies frequency w by
    exp(v (cos w - 1)): its variance is exact even far below one pixel. x: (B, C, H, W).
    """

    sigma: float = ranged(0.3, 1.5, default=0.7, unit="pixels at 32x32", maximum=16.0)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        variance = (self.sigma * side_scale(x) * flat(strength))[:, None].to(wide.dtype) ** 2
        height, width = x.shape[-2:]
        rows, columns = dct_matrix(height, wide), dct_matrix(width, wide)
        keep = _response(variance, height)[:, None, :, None] * _response(variance, width)[:, None, None]
        spectrum = rows @ wide @ columns.T * keep
        return (rows.T @ spectrum @ columns).to(x.dtype)


def _response(variance: Tensor, size: int) -> Tensor:
    frequency = torch.arange(size, device=variance.device, dtype=variance.dtype) * (math.pi / size)
    return torch.exp(variance * (frequency.cos() - 1))
