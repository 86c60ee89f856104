from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import widen
from autonoise.technique import BatchInfo, Family, InputNoise, technique, whole


@technique(
    data_types={"audio"},
    family=Family.QUANTISATION,
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
        # in place, since every pass over a batch of clips counts
        code = clean.abs().mul_(255).log1p_().mul_(steps / math.log(256)).round_()
        decoded = code.mul_(math.log(256) / steps).expm1_().div_(255).copysign_(clean)
        return torch.addcmul(widen(x), strength.to(clean.dtype), decoded.sub_(clean)).to(x.dtype)
