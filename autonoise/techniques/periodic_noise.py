"""Add sine waves to images."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from autonoise.ops.patterns import waves
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import rand
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.PERIODIC,
    reference="Vaish et al. 2024, Fourier-basis Functions to Bridge Augmentation Gap; Yin et al. 2019, A Fourier "
    "perspective on model robustness in computer vision",
)
class PeriodicNoise(InputNoise):
    """Add one sine wave to each channel: x + strength * rms * sqrt(2) sin(2 pi f . p + phase).

    The wave has a random direction and phase, and 1 to side / 2 periods along the shorter side, uniformly; each channel
    draws its own. x: (B, C, H, W) in 0..1.
    """

    rms: float = ranged(0.02, 0.3, default=0.1, log=True, unit="full range", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        u = rand((3, *x.shape[:2]), rng, wide)
        # more than side / 2 periods cannot be told from fewer
        periods = 1 + (min(x.shape[-2:]) / 2 - 1) * u[0]
        wave = waves(periods, math.pi * u[1], 2 * math.pi * u[2], wide)
        amount = (math.sqrt(2) * self.rms * flat(strength)).to(wide.dtype).reshape(-1, 1, 1, 1)
        return torch.addcmul(wide, amount, wave).to(x.dtype)
