"""Multiply each channel of a series by a random factor."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"timeseries"},
    family=Family.GAIN,
    reference="Um 2017, Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring",
)
class MagnitudeScaling(InputNoise):
    """Multiply each channel of each series by one factor, 1 + strength * sigma * n, n ~ N(0, 1). x: (B, C, L)."""

    exact: ClassVar[bool] = True
    sigma: float = ranged(0.05, 0.5, default=0.1, log=True, unit="factor", maximum=5.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        n = torch.randn(*x.shape[:2], 1, generator=rng, device=x.device).to(x.dtype)
        return x * (1 + strength * self.sigma * n)
