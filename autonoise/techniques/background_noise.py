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
    """Add a random stretch of a recording to each clip, at a signal-to-noise ratio of ``snr_db``.

    x: (B, T). The ratio compares the clip's power, silence left out, with that of the stretch. ``clips`` is the path of
    an .npz file (X as int16 or float; ``sample_rate`` and ``group`` if known) or of a folder of sound files; ``group``
    picks one value of the group array, or one sub-folder. Without ``clips``, synthetic noise takes their place: bands
    of noise that slowly swell and fade.

    Stretches that are more than 20 dB quieter than their whole recording count as 20 dB quieter, so that a pause is not
    amplified into loud noise. Raises PolicyError if no clip can be read.
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
        # recordings have power 1, so a power of 0.01 is 20 dB below it
        return mix_at_snr(x, noise, self.snr_db, strength=strength, info=info, floor=0.01)
