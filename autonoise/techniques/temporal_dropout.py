"""Set random stretches of time to zero."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.boxes import quick_alone
from autonoise.ops.buffers import clip_, copied
from autonoise.ops.precision import flat
from autonoise.ops.series import row_lengths
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"timeseries", "audio"},
    family=Family.MISSINGNESS,
    also={Family.OCCLUSION},
    reference="Park 2019, SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition (time mask)",
)
class TemporalDropout(InputNoise):
    """Set random spans to 0, the mean; each step is hit with probability r = min(rate * strength, 0.95).

    x: (B, C, L) or (B, T); a span covers all channels. It is w = max(1, round(span * length of the row)) steps long,
    and spans may overlap. The number of spans that start at a step is drawn from a Poisson distribution with the mean
    -log(1 - r) / w, which makes r exact: a step stays if none of the w spans that could cover it has started.
    """

    keeps_bounds: ClassVar[bool] = True
    rate: float = ranged(0.02, 0.4, default=0.1, unit="fraction of steps", maximum=0.95)
    span: float = ranged(0.02, 0.2, default=0.05, unit="fraction of the length", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        size = x.shape[-1]
        width = (self.span * row_lengths(x, info.lengths)).round().clamp(min=1)
        # at most 0.95, because the number of spans below would be infinite at 1
        rate = (self.rate * flat(strength)[:, None]).clamp(max=0.95)
        if x.device.type != "cpu":
            kept = self._kept(size, width, -(1 - rate).log() / width, rng).to(x.dtype)
            return clip_(x * (kept if x.ndim == 2 else kept[:, None]), info.bounds)
        # spans may also begin before the first step; else the beginning would be hit less often than the rest
        places = size + width
        number = torch.poisson(-(1 - rate).log() / width * places, generator=rng)
        most = int(number.max())
        first = (torch.rand(len(x), most, generator=rng, device=x.device) * places).floor() - width
        if quick_alone(x):
            out = copied(x, info.bounds)
            spans = torch.stack([first.clamp(0, size), (first + width).clamp(0, size)], dim=2).long().tolist()
            for row, some, count in zip(out.numpy(), spans, number[:, 0].long().tolist(), strict=True):
                for start, end in some[:count]:
                    row[..., start:end] = 0
            return out
        real = (torch.arange(most, device=x.device) < number).to(first.dtype)
        # +1 where a span begins and -1 just after its end, so that the running sum counts the spans over each step
        edges = torch.zeros(len(x), size + 1, device=x.device)
        edges.scatter_add_(1, first.clamp(0, size).long(), real)
        edges.scatter_add_(1, (first + width).clamp(0, size).long(), -real)
        free = torch.lt(edges.cumsum(1)[:, :size], 0.5, out=torch.empty(len(x), size, device=x.device)).to(x.dtype)
        return clip_(x * (free if x.ndim == 2 else free[:, None]), info.bounds)

    def _kept(self, size: int, width: Tensor, mean: Tensor, rng: Generator) -> Tensor:
        """Return 1 and 0 (B, size) for steps that stay and steps that are hit, without asking how many spans there are.

        ``width`` (B, 1) is the length of a span, and ``mean`` (B, 1) the mean number of spans that begin at a step;
        their numbers are drawn for each step.
        """
        widest = max(1, round(self.span * size))
        begun = torch.poisson(mean.expand(-1, widest + size), generator=rng)
        # the number of spans that began before each step, from ``widest`` steps before the first one on
        total = torch.nn.functional.pad(begun.cumsum(1), (1, 0))
        last = torch.arange(widest + 1, widest + size + 1, device=total.device) - width.long()
        covering = total[:, widest + 1 :] - total.gather(1, last.expand(len(total), -1))
        return (covering < 0.5).to(total.dtype)
