from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import widen
from autonoise.ranges import whole
from autonoise.stages import InputNoise
from autonoise.technique import technique
from autonoise.types import BatchInfo, Family


@technique(
    data_types={"audio"}, family=Family.QUANTISATION,
    reference="ITU-T G.711, Pulse code modulation of voice frequencies",
)
class MuLaw(InputNoise):
    """Code in few bits by mu-law companding: c = sign(x) log(1 + mu |x|) / log(1 + mu), mu = 255.

    x: (B, T) in -1..1. c is rounded to 2^bits - 1 levels (silence is one of them) and expanded again;
    strength scales the quantisation error.
    """

    bits: int = whole(3, 8, default=5, unit="bits", minimum=2, maximum=16)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean = widen(x).clamp(-1, 1)
        steps = 2 ** (self.bits - 1) - 1
        code = torch.round(torch.log1p(255 * clean.abs()) / math.log(256) * steps) / steps
        decoded = clean.sign() * torch.expm1(code * math.log(256)) / 255
        return (widen(x) + strength.to(clean.dtype) * (decoded - clean)).to(x.dtype)
