from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import numbers
from autonoise.ops.precision import flat, widen
from autonoise.ops.series import row_lengths
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"timeseries"},
    family=Family.BAND_LIMIT,
    also={Family.PERIODIC, Family.LOW_FREQUENCY},
    reference="Chen et al. 2023, FrAug: Frequency Domain Augmentation for Time Series Forecasting (frequency masking)",
)
class FrequencyMasking(InputNoise):
    """Remove each frequency of the Fourier spectrum of a series with probability ``strength * rate``.

    Each row and each channel draws for itself. The lowest frequency, 0, is the mean of the series over time, and may be
    removed like the others. x: (B, C, L); what lies beyond the length of a row counts as 0.
    """

    rate: float = ranged(0.05, 0.5, default=0.2, log=True, unit="frequencies", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        if info.lengths is not None:
            wide = wide * (torch.arange(x.shape[-1], device=x.device) < row_lengths(x, info.lengths))[:, None]
        spectrum = torch.fft.rfft(wide)
        rate = (self.rate * flat(strength)).clamp(max=1)[:, None, None]
        spectrum *= 1 - numbers(rate, spectrum.shape, rng, wide.dtype)
        out: Tensor = torch.fft.irfft(spectrum, n=x.shape[-1])
        return out.to(x.dtype)
