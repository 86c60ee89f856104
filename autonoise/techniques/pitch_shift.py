from __future__ import annotations

import math
from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.audio import resampled_at, within
from autonoise.ops.precision import signed, widen
from autonoise.ops.vocoder import stretched
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.TIME_WARP,
    also={Family.RESAMPLING},
    reference="Salamon & Bello 2017, Deep Convolutional Neural Networks and Data Augmentation for Environmental Sound "
    "Classification",
)
class PitchShift(InputNoise):
    """Raise or lower the pitch of each clip by strength * semitones * u, u ~ U(-1, 1), at the same tempo.

    x: (B, T). Each clip is stretched in time by the factor 2^(shift / 12), and played that much faster. The search
    corruption ``speed``, which changes pitch and tempo together, is of the same family.
    """

    semitones: float = ranged(0.5, 4.0, default=2.0, log=True, unit="semitones", maximum=24.0)
    subset: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean, inside, size = widen(x), within(x, info.lengths), x.shape[1]
        if inside is not None:
            clean = clean * inside
        # an octave either way at the most, whatever the strength
        shift = (strength.float() * self.semitones * signed((len(x), 1), rng, x)).clamp(-12, 12)
        factor = 2 ** (shift / 12)
        # on other devices than a CPU nothing waits for the largest factor: an octave is 2
        largest = float(factor.max()) if x.device.type == "cpu" else 2.0
        longest = max(size, math.ceil(size * largest))
        slow = stretched(clean, 1 / factor, longest, info.spec.sample_rate)
        return resampled_at(slow, factor)[:, :size].to(x.dtype)
