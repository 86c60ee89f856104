from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.patterns import power_law_field
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import rand
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.LOW_FREQUENCY,
    also={Family.PHOTOMETRIC},
    reference="Voss 1988, Fractals in nature: from characterization to simulation",
)
class PowerLawNoise(InputNoise):
    """Add noise with the power spectrum 1 / f^a, a ~ U(0, exponent), of mean 0 and RMS strength * std in each channel.

    0 is white noise, and the larger a, the larger are the spots: at 3 they fill the image like shadows. Each image
    draws its own a; its channels share one field with probability 1/2, which changes the light and not the colour.
    x: (B, C, H, W) in 0..1.
    """

    std: float = ranged(0.02, 0.4, default=0.1, log=True, unit="full range", maximum=2.0)
    exponent: float = ranged(1.0, 4.0, default=3.0, maximum=8.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        u = rand((2, len(x), 1, 1, 1), rng, wide)
        field = power_law_field((len(x), *x.shape[1:]), self.exponent * u[0], rng, wide)
        field = torch.where(u[1] < 0.5, field[:, :1], field)
        amount = (self.std * flat(strength)).to(wide.dtype).reshape(-1, 1, 1, 1)
        return torch.addcmul(wide, amount, field).to(x.dtype)
