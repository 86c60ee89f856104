from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops.audio import level_exceeded
from autonoise.ops.precision import widen
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.SATURATION,
    reference="Mauch & Ewert 2013, The Audio Degradation Toolbox and Its Application to Robustness Evaluation",
)
class ClippingDistortion(InputNoise):
    """Clip the loudest samples of each clip: x is limited to [-c, c], where P(|x| > c) = strength * fraction.

    x: (B, T). Each clip has a level c of its own, computed over its valid samples (the padding does not count).
    """

    fraction: float = ranged(0.01, 0.3, default=0.1, log=True, unit="samples", maximum=0.9)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean = widen(x)
        # at most 95 % of the samples, since at 100 % nothing but silence would be left
        rate = (self.fraction * strength.to(clean.dtype)).clamp(max=0.95)
        level = level_exceeded(clean, rate, info.lengths)
        return clean.clamp(-level, level).to(x.dtype)
