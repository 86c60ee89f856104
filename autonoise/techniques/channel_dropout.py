"""Blank out whole channels."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique


@technique(
    data_types={"timeseries"},
    family=Family.MISSINGNESS,
    reference="Tompson 2015, Efficient Object Localization Using Convolutional Networks (channels)",
)
class ChannelDropout(InputNoise):
    """Set each channel of each series to 0 (the mean) with chance rate * strength (at most .95).

    One channel always stays, so series of one channel are left alone; nothing is rescaled. x: (B, C, L).
    """

    rate: float = ranged(0.05, 0.5, default=0.2, unit="fraction of channels", maximum=0.95)

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return "the series have one channel, which always stays" if spec.layout[:1] == (1,) else ""

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        rate = (self.rate * flat(strength)[:, None]).clamp(max=0.95)
        u = torch.rand(x.shape[:2], generator=rng, device=x.device)
        # the largest draw is below the rate only where all are
        gone = (u < rate) & (u < u.amax(1, keepdim=True))
        return x.masked_fill(gone[:, :, None], 0)
