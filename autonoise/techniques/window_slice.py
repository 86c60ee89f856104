"""Cut a window out of each series and stretch it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat
from autonoise.ops.series import read_at, row_lengths
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"timeseries"},
    family=Family.TIME_WARP,
    reference="Le Guennec 2016, Data Augmentation for Time Series Classification using CNNs",
)
class WindowSlice(InputNoise):
    """Keep a share 1 - strength * (1 - window) of each series and stretch it linearly to the old length.

    The place of the window is uniform, and at least 5 % of the series is kept. Padding does not change. x: (B, C, L).
    """

    window: float = ranged(0.6, 0.95, default=0.9, unit="fraction of the length", minimum=0.05, maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        # at least 5 % of the series, so that a large strength leaves something to stretch
        kept = (1 - flat(strength)[:, None] * (1 - self.window)).clamp(0.05, 1)
        last = row_lengths(x, info.lengths) - 1
        start = torch.rand(kept.shape, generator=rng, device=x.device) * (1 - kept) * last
        step = torch.arange(x.shape[-1], device=x.device, dtype=torch.float32)
        return read_at(x, torch.where(step <= last, start + kept * step, step))
