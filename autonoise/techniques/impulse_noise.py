"""Set single values of images to black or white (salt and pepper noise)."""

from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops.random import rand
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.IMPULSE,
    reference="Gonzalez & Woods 2018, Digital Image Processing, 5.2",
)
class ImpulseNoise(InputNoise):
    """Set a fraction of the values of each image to black or white, both equally likely.

    Each value of x (B, C, H, W) is replaced on its own, with probability min(1, ``fraction * strength``).
    """

    fraction: float = ranged(0.005, 0.1, default=0.02, log=True, unit="fraction of values", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        low, high = info.bounds or (0.0, 1.0)
        rate = (self.fraction * strength.float()).clamp(max=1)
        u = rand(x.shape, rng, rate)
        return x.masked_fill(u < rate / 2, low).masked_fill((u >= rate / 2) & (u < rate), high)
