"""Set single units to zero."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

from torch import Generator, Tensor, nn

from autonoise.ops.masks import dropped, spread_rate
from autonoise.technique import ActivationNoise, BatchInfo, DataType, Family, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.FEATURE,
    reference="Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting",
)
class Dropout(ActivationNoise):
    """Set units to 0 with probability r = min(strength * p, 0.95), and the others to h / (1 - r).

    h: (B, ...), by default the features that enter the classifier. If the model has an ``nn.Dropout`` at that very
    place, no second dropout is added: its rate moves from its own (at strength 0) to p (at strength 1). Every other
    ``nn.Dropout`` of the model keeps its rate.
    """

    exact: ClassVar[bool] = True
    default_site: ClassVar[str] = "penultimate"
    adopts: ClassVar[tuple[type[nn.Module], ...]] = (nn.Dropout,)

    p: float = ranged(0.0, 0.6, default=0.3, unit="share of units", maximum=0.95)

    def spread(self, ratio: float) -> Self:
        return replace(self, p=min(spread_rate(self.p, ratio), 0.95))

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return dropped(h, strength * self.p, h.shape, rng)

    def taken_over(self, h: Tensor, *, own: float, strength: Tensor, rng: Generator) -> Tensor:
        return dropped(h, own + strength * (self.p - own), h.shape, rng)
