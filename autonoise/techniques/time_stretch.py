from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.audio import within
from autonoise.ops.precision import signed, widen
from autonoise.ops.vocoder import stretched
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.TIME_WARP,
    reference="Salamon & Bello 2017, Deep Convolutional Neural Networks and Data Augmentation for Environmental Sound "
    "Classification",
)
class TimeStretch(InputNoise):
    """Play each clip faster or slower at the same pitch, at a tempo of (1 + change)^(strength * u), u ~ U(-1, 1).

    x: (B, T). The number of samples stays the same: a clip that becomes longer is cut off, and one that becomes shorter
    is followed by silence. Use ``speed_perturbation`` for a change of tempo and pitch together, which is cheaper.
    """

    # the paper goes from 0.81 to 1.23, and audiomentations from 0.8 to 1.25
    change: float = ranged(0.05, 0.5, default=0.25, log=True, unit="relative tempo", maximum=3.0)
    subset: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean, inside = widen(x), within(x, info.lengths)
        if inside is not None:
            clean = clean * inside
        # a factor of 4 either way at the most, whatever the strength
        rate = ((1 + self.change) ** (strength.float() * signed((len(x), 1), rng, x))).clamp(0.25, 4)
        return stretched(clean, rate, x.shape[1], info.spec.sample_rate).to(x.dtype)
