from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.audio import environment_noise, mix_at_snr
from autonoise.ops.clips import load_clips
from autonoise.ops.precision import widen
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, text


@technique(
    data_types={"audio"},
    family=Family.BACKGROUND,
    reference="Hannun et al. 2014, Deep Speech: Scaling up end-to-end speech recognition",
)
class BackgroundNoise(InputNoise):
    """Mix in a random stretch of a recording at ``snr_db`` over the active part of the clip.

    x: (B, T). ``clips`` is an .npz (X int16 or float, sample_rate, group) or a folder of sound files,
    ``group`` a value of the group array or a sub-folder. Without clips, slowly swelling bands of noise stand in.
    A stretch 20 dB quieter than its recording is not made louder. Raises PolicyError where nothing can be read.
    """

    snr_db: float = ranged(3.0, 30.0, default=15.0, unit="dB", minimum=-20.0, maximum=100.0)
    clips: str = text()
    group: str = text()
    subset: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        rows, size = x.shape
        clean = widen(x)
        if self.clips:
            recorded = load_clips(self.clips, self.group, info.spec.sample_rate, str(x.device))
            noise = recorded.draw(rows, size, rng, clean)
        else:
            noise = environment_noise((rows, size), rng, clean, info.spec.sample_rate)
        return mix_at_snr(x, noise, self.snr_db, strength=strength, info=info, floor=0.01)
