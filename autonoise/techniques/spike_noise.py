"""Add isolated spikes to series."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"timeseries"},
    family=Family.IMPULSE,
    reference="Box 1975, Intervention Analysis with Applications to Economic and Environmental Problems (pulse)",
)
class SpikeNoise(InputNoise):
    """Add strength * height, or subtract it, at random single values.

    Each value of x (B, C, L), which is standardised, gets a spike with probability ``rate``; both signs are equally
    likely.
    """

    exact: ClassVar[bool] = True
    rate: float = ranged(0.001, 0.05, default=0.01, log=True, unit="fraction of values", maximum=1.0)
    height: float = ranged(1.0, 10.0, default=4.0, log=True, unit="standard deviations", maximum=100.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        u = torch.rand(x.shape, generator=rng, device=x.device)
        # the comparisons write 1 and 0 as numbers, which a CPU does many times as fast as bools
        up, down = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for _ in range(2))
        torch.lt(u, self.rate / 2, out=up)
        torch.ge(u, 1 - self.rate / 2, out=down)
        return torch.addcmul(x, strength * self.height, up.sub_(down))
