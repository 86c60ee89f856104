"""Add Gaussian noise to the outputs of hidden layers."""

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
    """Add Gaussian noise to a layer's output h: h + strength * sigma * RMS(h) * n, n ~ N(0, 1).

    h has shape (B, ...). The RMS is taken over all values of one sample, and no gradient flows through it. By default
    the noise is added after a normalisation layer, because a batch norm that came later would scale it away again.

    When a policy is used in a model with a different number of layers to act on, sigma is multiplied by the square root
    of the ratio of the two numbers, so that the variances of all layers still add up to the same total.
    """

    exact: ClassVar[bool] = True

    sigma: float = ranged(0.01, 0.5, default=0.1, log=True, unit="RMS of the activation", maximum=10.0)

    def spread(self, ratio: float) -> Self:
        return replace(self, sigma=min(self.sigma * math.sqrt(ratio), 10.0))

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return torch.addcmul(h, strength * self.sigma * rms(h), randn_like(h, rng))
