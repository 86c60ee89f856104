"""Multiply each channel of a series by a factor that changes smoothly with time."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.series import smooth_curve
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"timeseries"},
    family=Family.GAIN,
    reference="Um 2017, Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring",
)
class MagnitudeWarp(InputNoise):
    """Multiply each channel by 1 + strength * sigma * c(t), where c is a cubic spline through N(0, 1) values.

    The spline runs through one random value at each end of the time axis and ``knots`` values in between, equally
    spaced. Each channel of each series has its own. x: (B, C, L).
    """

    exact: ClassVar[bool] = True
    sigma: float = ranged(0.05, 0.5, default=0.2, log=True, unit="factor", maximum=5.0)
    knots: int = whole(2, 8, default=4, maximum=64)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        values = torch.randn(*x.shape[:2], self.knots + 2, generator=rng, device=x.device)
        return x * (1 + strength * self.sigma * smooth_curve(values, x.shape[-1]).to(x.dtype))
