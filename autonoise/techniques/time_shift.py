from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.boxes import quick_alone
from autonoise.ops.buffers import clip_, empty_like
from autonoise.ops.precision import signed
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"audio", "timeseries"},
    family=Family.GEOMETRIC,
    reference="Tang & Lin 2018, Deep Residual Learning for Small-Footprint Keyword Spotting",
)
class TimeShift(InputNoise):
    """Shift each row in time by a random number of steps, at most ``strength * fraction`` of its length.

    x: (B, T) or (B, C, L). The shift is uniform and goes either way. All channels of a row move together, and the end
    that becomes free is filled with zeros.
    """

    keeps_bounds: ClassVar[bool] = True
    fraction: float = ranged(0.01, 0.3, default=0.1, log=True, unit="length", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        size = x.shape[-1]
        share = (strength.float() * self.fraction).clamp(max=1) * signed(tuple(strength.shape), rng, x)
        length = size if info.lengths is None else info.lengths.to(share).reshape(strength.shape)
        shift = (share * length).round().long()
        if quick_alone(x):
            out = empty_like(x)
            rows = zip(out.numpy(), x.detach().numpy(), shift.reshape(-1).tolist(), strict=True)
            for row, given, moved in rows:
                start, end = max(moved, 0), min(size + moved, size)
                if start:
                    row[..., :start] = 0
                if end < size:
                    row[..., end:] = 0
                row[..., start:end] = given[..., start - moved : end - moved]
            return clip_(out, info.bounds)
        if x.device.type != "cpu":
            return clip_(moved_by(x, shift), info.bounds)
        room = max(1, int(shift.abs().max()))
        # each shifted row is a stretch of the padded row; copying it whole is faster than reading step by step
        stretches = torch.nn.functional.pad(x, (room, room)).unfold(-1, size, 1)
        return clip_(
            stretches.movedim(-2, 1)[torch.arange(len(x), device=x.device), (room - shift).reshape(-1)], info.bounds
        )


def moved_by(x: Tensor, shift: Tensor) -> Tensor:
    """Return rows moved by whole steps ``shift`` (B, 1, ...), read step by step, with zeros where nothing comes from.

    Nobody has to know the farthest shift for it, for which a GPU would have to be waited for.
    """
    source = torch.arange(x.shape[-1], device=x.device) - shift
    inside = (source >= 0) & (source < x.shape[-1])
    return x.gather(-1, source.clamp(0, x.shape[-1] - 1).expand_as(x)).masked_fill(~inside, 0)
