from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import clip_, in_blocks
from autonoise.ops.precision import signed
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.GAIN,
    reference="Schlueter & Grill 2015, Exploring Data Augmentation for Improved Singing Voice Detection",
)
class Gain(InputNoise):
    """Make each clip louder or softer: x * 10^(g / 20), with g uniform in +-``strength * gain_db`` decibels.

    x: (B, T); each row draws its own g. Values beyond -1..1 are clipped, as a recorder would do.
    """

    keeps_bounds: ClassVar[bool] = True
    gain_db: float = ranged(1.0, 20.0, default=6.0, unit="dB", maximum=60.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        decibels = strength.float() * self.gain_db * signed((x.shape[0], 1), rng, x)
        factor = (10 ** (decibels / 20)).to(x.dtype)
        return in_blocks(lambda x, out, factor: clip_(torch.mul(x, factor, out=out), info.bounds), x, factor)
