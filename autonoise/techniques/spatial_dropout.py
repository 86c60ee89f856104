"""Set whole channels of a layer's output to zero."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

from torch import Generator, Tensor

from autonoise.ops.masks import dropped, spread_rate
from autonoise.technique import ActivationNoise, BatchInfo, Family, ranged, technique


@technique(
    data_types={"image", "timeseries", "audio"},
    family=Family.FEATURE,
    reference="Tompson et al. 2015, Efficient object localization using convolutional networks",
)
class SpatialDropout(ActivationNoise):
    """Set whole channels to 0 with probability r = min(strength * p, 0.95), and the others to h / (1 - r).

    h: (B, C, ...), or (B, tokens, C) where the model has its channels last. In a vector (B, C) each unit is a channel.
    """

    exact: ClassVar[bool] = True
    channels: ClassVar[bool] = True

    p: float = ranged(0.0, 0.4, default=0.1, unit="share of channels", maximum=0.95)

    def spread(self, ratio: float) -> Self:
        return replace(self, p=min(spread_rate(self.p, ratio), 0.95))

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return dropped(h, strength * self.p, (*h.shape[:2], *[1] * (h.ndim - 2)), rng)
