"""Invert the bright pixels of an image."""

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
    """Move values above a threshold t towards their inverse: x + strength * ((1 - x) - x) where x > t.

    x: (B, C, H, W) in 0..1. At strength 1 this is the paper's operation; at strength 0 the image does not change.
    """

    threshold: float = ranged(0.3, 0.95, default=0.7, unit="full range", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return torch.where(x > self.threshold, x + strength.clamp(max=1.0) * (1 - 2 * x), x)
