from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.audio import resampled_at
from autonoise.ops.masks import select
from autonoise.ops.precision import signed, widen
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.TIME_WARP,
    also={Family.RESAMPLING},
    reference="Ko et al. 2015, Audio augmentation for speech recognition",
)
class SpeedPerturbation(InputNoise):
    """Play each clip faster or slower: y(t) = x(f t), f = 1 + strength * change * u, u ~ U(-1, 1) for each row.

    x: (B, T). Tempo and pitch change together, and f stays within 1/2 .. 2. The number of samples T stays the same: a
    clip that becomes longer is cut off, and one that becomes shorter is followed by silence. Frequencies that the
    sample rate cannot hold are removed, so that no false tones (aliasing) arise.
    """

    # 0.1 spans the paper's speeds of 0.9, 1 and 1.1
    change: float = ranged(0.02, 0.3, default=0.1, log=True, unit="relative speed", maximum=0.5)
    subset: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean = widen(x)
        u = signed((x.shape[0], 1), rng, x)
        # an octave either way at the most, whatever the strength
        factor = (1 + strength.float() * self.change * u).clamp(0.5, 2.0)
        return select(factor == 1, clean, resampled_at(clean, factor)).to(x.dtype)
