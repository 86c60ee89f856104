from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import numbers
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import permutation
from autonoise.ops.series import row_lengths
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique

KEPT = 3
"""The strongest frequencies of each channel, which always stay; the number is the one of the authors' code."""


@technique(
    data_types={"timeseries"},
    family=Family.MIXING,
    also={Family.PERIODIC, Family.LOW_FREQUENCY},
    reference="Chen et al. 2023, FrAug: Frequency Domain Augmentation for Time Series Forecasting (frequency mixing)",
)
class FrequencyMixing(InputNoise):
    """Take each frequency from another row of the batch with probability ``strength * rate``; the target stays.

    The three strongest frequencies of each row and channel are never exchanged, since they are taken to make the class.
    x: (B, C, L); what lies beyond the length of a row counts as 0. A batch of one row does not change.
    """

    rate: float = ranged(0.05, 0.5, default=0.2, log=True, unit="frequencies", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        if info.lengths is not None:
            wide = wide * (torch.arange(x.shape[-1], device=x.device) < row_lengths(x, info.lengths))[:, None]
        spectrum = torch.fft.rfft(wide)
        other = spectrum.index_select(0, permutation(len(x), rng, x))
        size = spectrum.abs()
        weakest_kept = size.topk(min(KEPT, size.shape[-1]), dim=-1).values[..., -1:]
        rate = (self.rate * flat(strength)).clamp(max=1)[:, None, None]
        taken = numbers(rate, size.shape, rng, wide.dtype) * (size < weakest_kept)
        out: Tensor = torch.fft.irfft(torch.addcmul(spectrum, other - spectrum, taken + 0j), n=x.shape[-1])
        return out.to(x.dtype)
