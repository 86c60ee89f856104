"""Set whole channels of a series to zero."""

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
    """Set each channel of each series to 0, its mean, with probability min(rate * strength, 0.95).

    At least one channel of each series always stays, so a series with one channel never changes. The channels that stay
    are not scaled up. x: (B, C, L), standardised.
    """

    rate: float = ranged(0.05, 0.5, default=0.2, unit="fraction of channels", maximum=0.95)

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        one = len(spec.layout) == 1 or spec.layout[:1] == (1,)
        return "the series have one channel, which always stays" if one else ""

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        # at most 0.95, so that at a large strength more than the one kept channel is left now and then
        rate = (self.rate * flat(strength)[:, None]).clamp(max=0.95)
        u = torch.rand(x.shape[:2], generator=rng, device=x.device)
        # the channel with the largest draw is kept; this matters only if all draws are below the rate
        limit = torch.minimum(rate, u.amax(1, keepdim=True))
        kept = torch.ge(u, limit, out=torch.empty(u.shape, dtype=x.dtype, device=x.device))
        return x * kept[:, :, None]
