"""Blur images with a Gaussian kernel."""

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
    """Blur with a discrete Gaussian kernel, standard deviation sigma * strength * (shorter side / 32) pixels.

    The cosine transform mirrors the image at its borders. In it, a kernel of variance v multiplies the frequency w by
    exp(v (cos w - 1)), so the variance is exact even far below one pixel. x: (B, C, H, W).
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
    """Return the factor (B, size) by which a kernel of ``variance`` (B, 1) multiplies each frequency."""
    frequency = torch.arange(size, device=variance.device, dtype=variance.dtype) * (math.pi / size)
    return torch.exp(variance * (frequency.cos() - 1))
