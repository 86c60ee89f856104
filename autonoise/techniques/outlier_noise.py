from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import movable, numbers
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import rand_like, randn_like
from autonoise.ops.tables import no_numbers
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique


@technique(
    data_types={"tabular"},
    family=Family.OUTLIER,
    also={Family.INDEPENDENT},
    reference="Lange, Little & Taylor 1989, Robust statistical modeling using the t distribution; Huber 1964, Robust "
    "estimation of a location parameter (contamination)",
)
class OutlierNoise(InputNoise):
    """Add size * t to each number with probability ``strength * fraction``; t has a heavy-tailed distribution.

    t is Student's t with 2 degrees of freedom: half of the draws are below 0.82 in size, one in ten above 2.9 and one
    in a hundred above 9.9. They are cut off at 50. x: (B, D), numeric columns standardised; categories, flags and
    missing values do not change.
    """

    fraction: float = ranged(0.01, 0.3, default=0.05, log=True, unit="numbers", maximum=1.0)
    size: float = ranged(0.5, 5.0, default=2.0, log=True, unit="standard deviations", maximum=100.0)

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return no_numbers(spec)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        # with two degrees of freedom, half the sum of squares in the denominator is exponential: -log U
        spread = (-rand_like(wide, rng).clamp_(min=1e-12).log_()).sqrt_()
        tail = (randn_like(wide, rng) / spread.clamp_(min=1e-6)).clamp_(-50, 50)
        rate = (self.fraction * flat(strength)).clamp(max=1)[:, None]
        hit, mask = numbers(rate, x.shape, rng, wide.dtype), movable(x, info)
        return torch.addcmul(wide, hit if mask is None else hit * mask, tail, value=self.size).to(x.dtype)
