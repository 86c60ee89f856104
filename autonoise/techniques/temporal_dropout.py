"""Blank out random spans of time."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat
from autonoise.ops.series import row_lengths
from autonoise.ranges import ranged
from autonoise.stages import InputNoise
from autonoise.technique import technique
from autonoise.types import BatchInfo, Family


@technique(
    data_types={"timeseries", "audio"},
    family=Family.MISSINGNESS,
    also={Family.OCCLUSION},
    reference="Park 2019, SpecAugment: A Simple Data Augmentation Method for Automatic Speech "
    "Recognition (time mask)",
)
class TemporalDropout(InputNoise):
    """Set random spans to 0 (the mean), in all channels; each step is hit with chance rate * strength (at
    most .95).

    Spans last w = span * length of the row (at least one step) and may overlap: a span starts at any step
    with chance 1 - (1 - rate)^(1 / w). x: (B, C, L) or (B, T).
    """

    rate: float = ranged(0.02, 0.4, default=0.1, unit="fraction of steps", maximum=0.95)
    span: float = ranged(0.02, 0.2, default=0.05, unit="fraction of the length", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        size = x.shape[-1]
        width = (self.span * row_lengths(x, info.lengths)).round().clamp(min=1)
        longest = max(1, round(self.span * size))
        rate = (self.rate * flat(strength)[:, None]).clamp(max=0.95)
        start = 1 - (1 - rate) ** (1 / width)
        # spans that began before the first step count too, or the beginning would be hit less often
        u = torch.rand(len(x), size + longest, generator=rng, device=x.device)
        begun = torch.cumsum(u < start, dim=1, dtype=torch.int32)
        now = torch.arange(longest, longest + size, device=x.device)
        hit = begun[:, longest:] > begun.gather(1, now - width.long())
        return x.masked_fill(hit if x.ndim == 2 else hit[:, None], 0)
