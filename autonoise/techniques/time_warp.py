"""Let series run faster in some places and slower in others."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat
from autonoise.ops.series import read_at, row_lengths, smooth_curve
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"timeseries"},
    family=Family.TIME_WARP,
    reference="Um 2017, Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring",
)
class TimeWarp(InputNoise):
    """Read each series at the speed exp(strength * sigma * c(t)), c a cubic spline through N(0, 1) values.

    The spline runs through one random value at each end and ``knots`` values in between. Time is then scaled so that
    the first and the last valid step stay where they are. Values between steps are interpolated linearly. All channels
    of a series share one warp, and padding does not change. Um et al. add to the speed instead; the exponential keeps
    it positive. x: (B, C, L).
    """

    sigma: float = ranged(0.05, 0.5, default=0.2, log=True, unit="log speed", maximum=3.0)
    knots: int = whole(2, 8, default=4, maximum=64)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        length = x.shape[-1]
        values = torch.randn(len(x), self.knots + 2, generator=rng, device=x.device)
        curve = smooth_curve(values, length)
        # the speed between two steps comes from the mean of the curve at both
        speed = torch.exp(self.sigma * flat(strength)[:, None] * (curve[:, 1:] + curve[:, :-1]) / 2)
        travelled = torch.nn.functional.pad(speed.cumsum(1), (1, 0))
        last = row_lengths(x, info.lengths) - 1
        # the lower limit avoids a division by zero for series of one step
        total = travelled.gather(1, last.long()).clamp(min=1e-6)
        step = torch.arange(length, device=x.device, dtype=torch.float32)
        return read_at(x, torch.where(step <= last, travelled / total * last, step))
