"""Switch off residual branches at random."""

from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.masks import dropped
from autonoise.technique import ActivationNoise, BatchInfo, DataType, Family, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.FEATURE,
    reference="Huang et al. 2016, Deep networks with stochastic depth",
)
class StochasticDepth(ActivationNoise):
    """Set a residual branch's output h to 0 with probability r = min(strength * p * l / L, 0.95), else to h / (1 - r).

    l is the number of the branch, counted from the input, and L the number of all branches. This is the paper's linear
    rule: the last branch is dropped with probability p, and the average one with about p / 2. h: (B, ...); each sample
    draws for itself. Also called DropPath; it needs a model with residual branches.
    """

    version = 2
    changes: ClassVar[str] = "the rate grows linearly with depth, up to p at the last branch; it was p everywhere"

    default_site: ClassVar[str] = "residual"

    p: float = ranged(0.0, 0.3, default=0.1, unit="share of branches", maximum=0.95)

    def at_depth(self, number: int, total: int) -> float:
        return number / total

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return dropped(h, strength * self.p, (h.shape[0], *[1] * (h.ndim - 1)), rng)
