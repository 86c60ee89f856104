from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops.audio import mix_at_snr
from autonoise.ops.precision import widen
from autonoise.ops.random import randn_like
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.INDEPENDENT,
    reference="Yin et al. 2015, Noisy training for deep neural networks in speech recognition",
)
class GaussianSNR(InputNoise):
    """Add white noise at a signal-to-noise ratio of ``snr_db`` = 10 log10(P_signal / P_noise).

    x: (B, T). The noise is relative to each clip, because hearing is logarithmic. P_signal is the mean power of the
    frames that are less than 40 dB below the clip's loudest. The strength s multiplies the noise's amplitude, so the
    ratio becomes snr_db - 20 log10 s.
    """

    snr_db: float = ranged(3.0, 40.0, default=20.0, unit="dB", minimum=-20.0, maximum=100.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return mix_at_snr(x, randn_like(widen(x), rng), self.snr_db, strength=strength, info=info)
