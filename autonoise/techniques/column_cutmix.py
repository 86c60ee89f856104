"""Replace some features of each row by those of another row, and mix the targets alike."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.errors import PolicyError
from autonoise.ops.masks import select
from autonoise.ops.random import beta, permutation
from autonoise.ops.tables import choose_features, features
from autonoise.technique import BatchInfo, Family, PairNoise, PairPlan, ranged, technique


@technique(
    data_types={"tabular"},
    family=Family.MIXING,
    also={Family.VALUE_SWAP},
    reference="Somepalli et al. 2021, SAINT: Improved Neural Networks for Tabular Data via Row Attention and "
    "Contrastive Pre-Training (CutMix of rows)",
)
class ColumnCutmix(PairNoise):
    """Take each feature from the row's partner with probability strength * (1 - w), w ~ Beta(alpha, alpha).

    The target is mixed with the share of the features that really stayed. All columns of a feature go together, its
    missing flag included, and a feature that is missing stays missing. x: (B, D), at the input only; ``mix`` raises
    PolicyError elsewhere.
    """

    alpha: float = ranged(0.1, 1.0, default=1.0, log=True, minimum=0.01, maximum=100.0)

    def plan(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> PairPlan:
        rate = (strength.float() * (1 - beta(self.alpha, len(x), rng, x))).clamp(0, 1)
        taken = choose_features(x, rate[:, None], rng, info)
        of = features(x, info)
        owned = of >= 0
        # each feature counts once, however many columns it has
        columns = torch.zeros_like(of).scatter_add_(0, of.clamp(min=0), owned.long())
        weight = (1 / columns[of.clamp(min=0)].clamp(min=1)) * owned
        total = weight.sum().clamp(min=1)
        return PairPlan(permutation(len(x), rng, x), 1 - (taken * weight).sum(1) / total, {"taken": taken}, joint=False)

    def mix(self, x: Tensor, plan: PairPlan, *, rng: Generator, info: BatchInfo) -> Tensor:
        taken: Tensor = plan.extra["taken"]
        if x.shape != taken.shape:
            planned, met = tuple(taken.shape), tuple(x.shape)
            raise PolicyError(f"column_cutmix was planned for size {planned} and met {met}: set its site to input")
        return select(taken, x[plan.permutation], x)
