"""Run through series in stretches of different speed."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat
from autonoise.ops.series import read_at, rising_curve, row_lengths
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"timeseries"},
    family=Family.TIME_WARP,
    reference="Arundo 2019, tsaug (TimeWarp)",
)
class SpeedChange(InputNoise):
    """Cut the time of each series into ``stretches`` equal parts, and read each part at a speed of its own.

    The speeds are uniform draws, stretched so that the fastest is r times the slowest, r = ratio^strength. Time is then
    scaled so that the first and the last valid step stay where they are, and runs smoothly from one part to the next
    (a monotone cubic curve). All channels of a series share one time. x: (B, C, L); padding does not change.

    Unlike ``time_warp``, whose speed has no bounds, no part is faster or slower than the ratio says.
    """

    ratio: float = ranged(1.2, 6.0, default=3.0, log=True, unit="fastest to slowest speed", minimum=1.0, maximum=100.0)
    stretches: int = whole(2, 7, default=4, minimum=2, maximum=64)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        length = x.shape[-1]
        draws = torch.rand(len(x), self.stretches, generator=rng, device=x.device)
        low, high = draws.amin(1, keepdim=True), draws.amax(1, keepdim=True)
        # at most 1000, whatever the strength, since the slowest part would stand still
        ratio = (self.ratio ** flat(strength)[:, None]).clamp(max=1e3)
        speed = 1 + (ratio - 1) * (draws - low) / (high - low).clamp(min=1e-6)
        travelled = torch.nn.functional.pad((speed / speed.sum(1, keepdim=True)).cumsum(1), (1, 0))
        last = row_lengths(x, info.lengths) - 1
        steps = torch.arange(length, device=x.device, dtype=torch.float32)
        places = (steps / last.clamp(min=1)).clamp(max=1) * self.stretches
        return read_at(x, torch.where(steps <= last, rising_curve(travelled, places) * last, steps))
