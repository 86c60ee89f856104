"""Shuffle the segments of a series."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.series import row_lengths
from autonoise.technique import BatchInfo, Family, InputNoise, technique, whole


@technique(
    data_types={"timeseries"},
    family=Family.TIME_WARP,
    reference="Um 2017, Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring",
)
class SegmentPermutation(InputNoise):
    """Cut each series at random places into ``segments`` pieces and join them in random order.

    Do not use it where the order of events decides the class. Padding stays at the end. x: (B, C, L). Rows of strength
    0 do not change; at any other strength the pieces are shuffled.
    """

    segments: int = whole(2, 8, default=4, unit="pieces", minimum=2, maximum=64)
    multiplier = "probability"

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        size = x.shape[-1]
        lengths = row_lengths(x, info.lengths)
        step = torch.arange(size, device=x.device, dtype=torch.float32).expand(len(x), -1)
        cuts = torch.rand(len(x), self.segments - 1, generator=rng, device=x.device) * (lengths - 1)
        piece = torch.searchsorted(cuts.sort(1).values, step.contiguous())
        place = torch.rand(len(x), self.segments, generator=rng, device=x.device).argsort(1)
        order = place.gather(1, piece) * size + step
        order = torch.where(step < lengths, order, self.segments * size + step)
        source = torch.where(strength.reshape(-1, 1) > 0, order, step).argsort(1)
        return x.gather(2, source[:, None].expand_as(x))
