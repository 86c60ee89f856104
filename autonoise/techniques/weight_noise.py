"""Add Gaussian noise to the weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Self

import torch
from torch import Generator, Tensor

from autonoise.ops.random import randn_like
from autonoise.technique import DataType, Family, choice, ranged, stages, technique


@technique(
    data_types=set(DataType),
    family=Family.WEIGHT,
    reference="Murray & Edwards 1994, Enhanced MLP performance from synaptic weight noise during training",
)
class WeightNoise(stages.WeightNoise):
    """Add noise to a weight w: w + strength * sigma * RMS(w) * n (additive), n ~ N(0, 1).

    The kind ``multiplicative`` uses w * (1 + strength * sigma * n) instead. w has any shape; the RMS is that of the
    whole tensor, and no gradient flows through it.

    When a policy is used in a model with a different number of weights, sigma is multiplied by the square root of the
    ratio of the two numbers, so that the variances of all weights still add up to the same total.
    """

    sigma: float = ranged(0.001, 0.1, default=0.01, log=True, unit="RMS of the weight", maximum=5.0)
    kind: str = choice("additive", "multiplicative")

    def spread(self, ratio: float) -> Self:
        return replace(self, sigma=min(self.sigma * math.sqrt(ratio), 5.0))

    def perturb(self, w: Tensor, *, strength: float, rng: Generator) -> Tensor:
        noise, size = randn_like(w, rng), strength * self.sigma
        if self.kind == "multiplicative":
            return torch.addcmul(w, w, noise, value=size)
        scale = torch.linalg.vector_norm(w.detach(), dtype=torch.promote_types(w.dtype, torch.float32))
        return torch.addcmul(w, scale.to(w.dtype), noise, value=size / math.sqrt(max(w.numel(), 1)))
