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
    """Add white noise at ``snr_db``, since hearing is logarithmic: SNR = 10 log10(P_signal / P_noise).

    x: (B, T). P_signal is that of the frames above -40 dB of the clip's loudest; strength s scales the
    amplitude of the noise, so the SNR is snr_db - 20 log10 s.
    """

    snr_db: float = ranged(3.0, 40.0, default=20.0, unit="dB", minimum=-20.0, maximum=100.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return mix_at_snr(x, randn_like(widen(x), rng), self.snr_db, strength=strength, info=info)
