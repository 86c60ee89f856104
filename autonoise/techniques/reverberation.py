from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.errors import AttachError
from autonoise.ops.audio import convolved
from autonoise.ops.precision import widen
from autonoise.ops.random import randn
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.REVERBERATION,
    reference="Ko et al. 2017, A study on data augmentation of reverberant speech for robust speech recognition",
)
class Reverberation(InputNoise):
    """Add the echo of a room: (x + s h * x) / sqrt(1 + s^2 E), where s is the strength and * a convolution.

    x: (B, T). The echo h(t) = g n(t) 10^(-3 t / rt60), n ~ N(0, 1), fades by 60 dB in ``rt60`` seconds; g gives it the
    energy E = 10^(-direct_db / 10), so the direct sound is ``direct_db`` decibels louder than the echo. The division
    keeps the expected power of the clip. Raises AttachError if the input description has no sample rate.
    """

    rt60: float = ranged(0.1, 1.0, default=0.3, log=True, unit="s", minimum=0.005, maximum=10.0)
    direct_db: float = ranged(0.0, 12.0, default=3.0, unit="dB", minimum=-20.0, maximum=60.0)
    subset: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        if info.spec.sample_rate is None:
            raise AttachError(f"{self.name} needs sample_rate in the input description: give it")
        clean = widen(x)
        rows, size = clean.shape
        length = min(size, max(1, round(self.rt60 * info.spec.sample_rate)))
        time = torch.arange(1, length + 1, device=x.device, dtype=clean.dtype) / info.spec.sample_rate
        noise = randn((rows, length), rng, clean)
        # 60 dB are a factor of 1000, or 10^3, in amplitude
        tail = noise * 10 ** (-3 * time / self.rt60)
        energy = 10 ** (-self.direct_db / 10)
        # the lower limit avoids a division by zero
        tail = tail * (energy / tail.square().sum(1, keepdim=True).clamp(min=1e-20)).sqrt()
        s = strength.to(clean.dtype)
        late = convolved(clean, torch.nn.functional.pad(tail, (1, 0)))
        return ((clean + s * late) / (1 + s * s * energy).sqrt()).to(x.dtype)
