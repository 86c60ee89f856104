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
    """Round each sample to few bits as telephony does: c = sign(x) log(1 + mu |x|) / log(1 + mu), mu = 255.

    x: (B, T) in -1..1. c is rounded to 2^bits - 1 equally spaced levels, of which silence is one, and converted back.
    So quiet sounds are rounded more finely than loud ones. The strength multiplies the error that the rounding makes.
    """

    bits: int = whole(3, 8, default=5, unit="bits", minimum=2, maximum=16)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean = widen(x).clamp(-1, 1)
        steps = 2 ** (self.bits - 1) - 1
        # in place, because a batch of clips is large and each copy of it takes noticeable time; 255 is mu
        code = clean.abs().mul_(255).log1p_().mul_(steps / math.log(256)).round_()
        decoded = code.mul_(math.log(256) / steps).expm1_().div_(255).copysign_(clean)
        return torch.addcmul(widen(x), strength.to(clean.dtype), decoded.sub_(clean)).to(x.dtype)
