"""Dropout of single units."""

from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor, nn

from autonoise.ops.masks import dropped
from autonoise.ranges import ranged
from autonoise.stages import ActivationNoise
from autonoise.technique import technique
from autonoise.types import BatchInfo, DataType, Family


@technique(
    data_types=set(DataType),
    family=Family.FEATURE,
    reference="Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting",
)
class Dropout(ActivationNoise):
    """Set units to 0 with probability r = min(strength * p, 0.95), the others to h / (1 - r).

    h: (B, ...). Where the model has ``nn.Dropout`` its own rate moves from what it was (strength 0) to p
    (strength 1) instead of adding a second dropout.
    """

    exact: ClassVar[bool] = True
    default_site: ClassVar[str] = "penultimate"
    adopts: ClassVar[tuple[type[nn.Module], ...]] = (nn.Dropout,)

    p: float = ranged(0.0, 0.6, default=0.3, unit="share of units", maximum=0.95)

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return dropped(h, strength * self.p, h.shape, rng)

    def setting(self, module: nn.Module, original: float, strength: float) -> float:
        if strength <= 0:
            return original
        return min(max((1 - strength) * original + strength * self.p, 0.0), 0.95)
