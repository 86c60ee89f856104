"""Gaussian noise on hidden layers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import rms
from autonoise.ops.random import randn_like
from autonoise.technique import BatchInfo, DataType, Family, ranged, stages, technique


@technique(
    data_types=set(DataType),
    family=Family.FEATURE,
    reference="Poole, Sohl-Dickstein & Ganguli 2014, Analyzing noise in autoencoders and deep networks",
)
class ActivationNoise(stages.ActivationNoise):
    """Add h + strength * sigma * RMS(h) * n, n ~ N(0, 1), the RMS that of each sample.

    h: (B, ...); no gradient through the RMS. Enters after normalisation, since a batch norm that follows
    would scale it away again.
    In a model with another number of places sigma is scaled by the square root of their ratio, so that the sum stays.
    """

    exact: ClassVar[bool] = True

    sigma: float = ranged(0.01, 0.5, default=0.1, log=True, unit="RMS of the activation", maximum=10.0)

    def spread(self, ratio: float) -> Self:
        return replace(self, sigma=min(self.sigma * math.sqrt(ratio), 10.0))

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return torch.addcmul(h, strength * self.sigma * rms(h), randn_like(h, rng))
