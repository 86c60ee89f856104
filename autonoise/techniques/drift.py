from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat, widen
from autonoise.ops.random import randn
from autonoise.ops.series import read_at, row_lengths, smooth_curve
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"timeseries"},
    family=Family.LOW_FREQUENCY,
    reference="Arundo 2019, tsaug (Drift)",
)
class Drift(InputNoise):
    """Let each channel drift away from its values: x + strength * size * range(x) * d(t), with d(0) = 0, max |d| = 1.

    d is a cubic spline through a random walk of ``points`` + 2 steps of N(0, 1) at equal distances, of its own for each
    channel. The range is the largest minus the smallest value of the channel of that row, so that a channel with little
    movement drifts little. x: (B, C, L); what lies beyond the length of a row has no part in it.
    """

    size: float = ranged(0.05, 1.0, default=0.5, log=True, unit="range of the series", maximum=10.0)
    points: int = whole(1, 6, default=3, maximum=64)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide, length = widen(x), x.shape[-1]
        rows, channels = len(x), x.shape[1]
        walk = randn((rows * channels, self.points + 2), rng, wide).cumsum(1)
        last = row_lengths(x, info.lengths) - 1
        steps = torch.arange(length, device=x.device, dtype=torch.float32)
        curve = smooth_curve(walk, length).reshape(rows, channels, length)
        if info.lengths is not None:
            # the same curve over the row's own length
            curve = read_at(curve, steps * (length - 1) / last.clamp(min=1))
        outside = (steps > last)[:, None]
        curve = (curve - curve[:, :, :1]).masked_fill(outside, 0)
        # a row of one step has no curve, and must not be divided by 0
        curve = curve / curve.abs().amax(2, keepdim=True).clamp(min=1e-9)
        highest = wide.masked_fill(outside, -torch.inf).amax(2, keepdim=True)
        lowest = wide.masked_fill(outside, torch.inf).amin(2, keepdim=True)
        amount = (self.size * flat(strength)).to(wide.dtype)[:, None, None] * (highest - lowest)
        return torch.addcmul(wide, amount, curve).to(x.dtype)
