"""Solarising: bright pixels turn dark."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.PHOTOMETRIC,
    reference="Cubuk et al. 2019, AutoAugment: Learning augmentation strategies from data",
)
class Solarise(InputNoise):
    """Move pixels above a threshold towards their inverse: x > t → x + strength * ((1 - x) - x).

    x: (B, C, H, W) in 0..1. Strength 1 is the paper's operation; 0 leaves the picture as it is.
    """

    threshold: float = ranged(0.3, 0.95, default=0.7, unit="full range", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return torch.where(x > self.threshold, x + strength.clamp(max=1.0) * (1 - 2 * x), x)
