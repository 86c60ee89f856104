"""Blur images with a Gaussian kernel."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.bands import TILE, along_columns, along_rows
from autonoise.ops.buffers import in_blocks, put
from autonoise.ops.dct import dct_matrix
from autonoise.ops.image import side_scale
from autonoise.ops.precision import flat, widen
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique

# Frequencies beyond this number divided by the standard deviation, as a share of the highest one, are multiplied by
# less than 10^-5: exp(-v w^2 / 2), which is a little more than exp(v (cos w - 1)), falls below it at w = sqrt(23 / v).
_LIMIT = 1.15 * math.sqrt(23) / math.pi


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
    keeps_bounds: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        exact = torch.promote_types(x.dtype, torch.float32)
        deviation = (self.sigma * side_scale(x) * flat(strength)).to(exact)
        variance, (height, width) = deviation[:, None] ** 2, x.shape[-2:]
        down, across = dct_matrix(height, variance), dct_matrix(width, variance)
        kept, alike = 1.0, False
        if x.device.type == "cpu" and exact is torch.float32 and len(x):
            # on other devices nothing waits for these numbers
            least, most = float(deviation.min()), float(deviation.max())
            kept, alike = _LIMIT / max(least, 1e-3), least == most
        if kept > 0.4 and alike and min(height, width) >= TILE:
            # narrow kernels alike in all images: each pixel is made of its neighbours
            rows, columns = (d.T @ (_response(variance[:1], len(d)).mT * d) for d in (down, across))
            reach = math.ceil(5 * most) + 1

            def blur(x: Tensor, out: Tensor) -> None:
                wide = along_rows(widen(x), rows, reach)
                put(along_columns(wide, columns, reach), out, info.bounds)

            return in_blocks(blur, x)

        # wide kernels leave nothing of the higher frequencies
        down, across = (d[: math.ceil(min(kept, 1.0) * len(d))] for d in (down, across))
        vertical, horizontal = (_response(variance, side)[:, : len(d)] for d, side in ((down, height), (across, width)))

        def change(x: Tensor, out: Tensor, vertical: Tensor, horizontal: Tensor) -> None:
            spectrum = torch.matmul(torch.matmul(down, widen(x)), across.T)
            spectrum.mul_(vertical[:, None, :, None]).mul_(horizontal[:, None, None])
            put(torch.matmul(torch.matmul(down.T, spectrum), across), out, info.bounds)

        return in_blocks(change, x, vertical, horizontal)


def _response(variance: Tensor, size: int) -> Tensor:
    """Return the factor (B, size) by which a kernel of ``variance`` (B, 1) multiplies each frequency."""
    frequency = torch.arange(size, device=variance.device, dtype=variance.dtype) * (math.pi / size)
    return torch.exp(variance * (frequency.cos() - 1))
