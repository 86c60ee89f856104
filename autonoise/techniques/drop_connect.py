"""Set single weights to zero."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from torch import Generator, Tensor

from autonoise.ops.masks import dropped_alike, spread_rate
from autonoise.technique import DataType, Family, WeightNoise, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.WEIGHT,
    reference="Wan et al. 2013, Regularization of neural networks using DropConnect",
)
class DropConnect(WeightNoise):
    """Set weights to 0 with probability r = min(strength * p, 0.95), and the others to w / (1 - r).

    w has any shape. The same weights are dropped for the whole batch, whereas the paper draws anew for each sample. Not
    to be confused with DropPath, which is the technique stochastic_depth.
    """

    p: float = ranged(0.0, 0.5, default=0.2, unit="share of weights", maximum=0.95)

    def spread(self, ratio: float) -> Self:
        return replace(self, p=min(spread_rate(self.p, ratio), 0.95))

    def perturb(self, w: Tensor, *, strength: float, rng: Generator) -> Tensor:
        return dropped_alike(w, strength * self.p, rng)
