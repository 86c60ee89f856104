from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat
from autonoise.ops.series import read_at, row_lengths
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"timeseries"},
    family=Family.RESAMPLING,
    reference="Arundo 2019, tsaug (Resize)",
)
class Resampling(InputNoise):
    """Keep about every h-th value of a series and draw straight lines between them, h = 1 / (1 - strength (1 - keep)).

    The points kept are the steps nearest to o, o + h, o + 2 h, .., with o a random part of h, and the last step. At
    strength 0, h is 1 and nothing changes. x: (B, C, L); all channels of a row keep the same points, and padding does
    not change.
    """

    keep: float = ranged(0.1, 0.8, default=0.4, unit="fraction of the points", minimum=0.01, maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        s = flat(strength)[:, None]
        # one value in a hundred is kept at least, whatever the strength
        width = 1 / (1 - s * (1 - self.keep)).clamp(min=0.01)
        offset = width * torch.rand(len(x), 1, generator=rng, device=x.device)
        last = row_lengths(x, info.lengths) - 1
        steps = torch.arange(x.shape[-1], device=x.device, dtype=torch.float32)
        number = ((steps - offset) / width).floor()
        left = (number * width + offset).round().clamp(min=0).minimum(last)
        right = ((number + 1) * width + offset).round().minimum(last)
        share = ((steps - left) / (right - left).clamp(min=1)).clamp(0, 1)
        line = torch.lerp(read_at(x, left), read_at(x, right), share.to(x.dtype)[:, None])
        return torch.where((steps <= last)[:, None], line, x)
