"""Mix each sample and its target with another sample and its target."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.random import beta, permutation
from autonoise.technique import BatchInfo, DataType, Family, PairNoise, PairPlan, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.MIXING,
    reference="Zhang et al. 2018, mixup: Beyond empirical risk minimization",
)
class Mixup(PairNoise):
    """Mix pairs of samples and of targets: x' = w x + (1 - w) x[permutation], and y' likewise.

    The weight of each sample is w = 1 - strength * min(l, 1 - l), l ~ Beta(alpha, alpha), so its own share is never
    below a half. The paper's w = l gives the same pairs, since a share below a half only swaps the roles of the two;
    but with the larger share a small strength makes a small change.

    x: (B, ...). Texts are mixed at their embedding, and one-hot columns as if they were numbers.
    """

    exact: ClassVar[bool] = True

    # the paper finds 0.1 to 0.4 best for ImageNet
    alpha: float = ranged(0.05, 1.0, default=0.3, log=True, minimum=0.001, maximum=100.0)

    def plan(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> PairPlan:
        size = x.shape[0]
        share = beta(self.alpha, size, rng, x)
        weight = 1 - strength.float().clamp(0, 1) * torch.minimum(share, 1 - share)
        return PairPlan(permutation(size, rng, x), weight)
