from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import in_blocks, put
from autonoise.ops.powers import expm1_, log1p_
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

    keeps_bounds: ClassVar[bool] = True
    bits: int = whole(3, 8, default=5, unit="bits", minimum=2, maximum=16)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        steps = 2 ** (self.bits - 1) - 1

        def change(x: Tensor, out: Tensor, strength: Tensor) -> None:
            wide = widen(x)
            clean = wide.clamp(-1, 1)
            # 255 is mu
            code = log1p_(clean.abs().mul_(255)).mul_(steps / math.log(256)).round_()
            decoded = expm1_(code.mul_(math.log(256) / steps)).div_(255).copysign_(clean)
            put(torch.addcmul(wide, strength.to(wide.dtype), decoded.sub_(clean)), out, info.bounds)

        return in_blocks(change, x, strength)
