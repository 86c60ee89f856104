from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops import audio
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.LOW_FREQUENCY,
    also={Family.INDEPENDENT},
    reference="Timmer & Koenig 1995, On generating power law noise",
)
class ColouredNoise(InputNoise):
    """Add noise with the power spectrum 1 / f^exponent at a signal-to-noise ratio of ``snr_db``.

    An exponent of 0 gives white noise, 1 pink, 2 brown and -1 blue. x: (B, T). The signal's power is measured with
    silence left out. The strength s multiplies the noise's amplitude, so the ratio becomes snr_db - 20 log10 s.
    """

    snr_db: float = ranged(3.0, 40.0, default=20.0, unit="dB", minimum=-20.0, maximum=100.0)
    exponent: float = ranged(0.5, 2.0, default=1.0, minimum=-2.0, maximum=3.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        noise = audio.coloured_noise(tuple(x.shape), self.exponent, rng, x)
        return audio.mix_at_snr(x, noise, self.snr_db, strength=strength, info=info)
