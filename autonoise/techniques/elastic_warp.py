"""Bend images smoothly at random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.image import side_scale, warp
from autonoise.ops.precision import flat
from autonoise.ops.series import smooth_curve
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    reference="Simard 2003, Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
)
class ElasticWarp(InputNoise):
    """Displace pixels by a smooth random field, by displacement * strength * shorter side / 32 pixels (RMS).

    The field is Gaussian noise on a grid of ``knots`` by ``knots`` points, with cubic splines between them. x: (B, C,
    H, W).
    """

    keeps_bounds: ClassVar[bool] = True
    displacement: float = ranged(0.3, 3.0, default=1.0, log=True, unit="pixels at 32x32, RMS", maximum=16.0)
    knots: int = whole(3, 8, default=4, minimum=2, maximum=32)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        coarse = torch.randn(len(x), 2, self.knots, self.knots, generator=rng, device=x.device)
        # the sum of the field's squares follows from those of the splines, so that the field itself need not be made
        down, across = (smooth_curve(torch.eye(self.knots, device=x.device), side) for side in x.shape[-2:])
        total = ((down @ down.T @ coarse) * (coarse @ across @ across.T)).sum((1, 2, 3))
        # the lower limit avoids a division by zero
        rms = (total / (x.shape[-2] * x.shape[-1])).clamp(min=1e-12).sqrt()
        size = self.displacement * side_scale(x) * flat(strength) / rms
        return warp(x, coarse * size[:, None, None, None], "reflection", info.bounds)
