"""Mixup of hidden features with additive and multiplicative noise."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import rms
from autonoise.ops.random import beta, permutation, randn_like
from autonoise.ranges import ranged
from autonoise.stages import PairNoise, PairPlan
from autonoise.technique import technique
from autonoise.types import BatchInfo, DataType, Family


@technique(
    data_types=set(DataType),
    family=Family.MIXING,
    also={Family.FEATURE},
    reference="Lim et al. 2022, Noisy feature mixup",
)
class NoisyFeatureMixup(PairNoise):
    """Mix features and add noise: (1 + m n1) * mix(x) + a * RMS(x) * n2, n ~ N(0, 1), at one layer per batch.

    x: (B, ...) activations; mix as in mixup with l ~ Beta(alpha, alpha); m = strength * multiplicative and
    a = strength * additive. After a normalisation the RMS is near 1, which is the paper's formula.
    """

    exact: ClassVar[bool] = True
    default_site: ClassVar[str] = "after_norm"

    alpha: float = ranged(0.05, 1.0, default=1.0, log=True, minimum=0.001, maximum=100.0)
    additive: float = ranged(0.02, 0.5, default=0.4, log=True, unit="RMS of the activation", maximum=10.0)
    multiplicative: float = ranged(0.02, 0.3, default=0.2, log=True, unit="fraction", maximum=10.0)

    def plan(self, x: Tensor, *, strength: Tensor, rng: Generator) -> PairPlan:
        size = x.shape[0]
        share = beta(self.alpha, size, rng, x)
        weight = 1 - strength.float().clamp(0, 1) * torch.minimum(share, 1 - share)
        return PairPlan(permutation(size, rng, x), weight, {"strength": strength})

    def mix(self, x: Tensor, plan: PairPlan, *, rng: Generator, info: BatchInfo) -> Tensor:
        mixed = super().mix(x, plan, rng=rng, info=info)
        strength = plan.extra["strength"].to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        scaled = torch.addcmul(mixed, mixed, strength * self.multiplicative * randn_like(x, rng))
        return torch.addcmul(scaled, strength * self.additive * rms(x), randn_like(x, rng))
