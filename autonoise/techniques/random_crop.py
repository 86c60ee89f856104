"""Shift images by a random number of whole pixels (pad and crop)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.boxes import quick_alone
from autonoise.ops.buffers import clip_, empty_like
from autonoise.ops.devices import constant
from autonoise.ops.precision import flat
from autonoise.technique import BatchInfo, Family, InputNoise, choice, ranged, technique


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    reference="He 2016, Deep Residual Learning for Image Recognition, 4.2 (4 pixels of 32)",
)
class RandomCrop(InputNoise):
    """Pad each side by p = round(padding * strength * side) pixels, then cut out the old size at a random place.

    This shifts the image by a whole number of pixels, uniform in -p..p, drawn for each image and axis. The default of
    0.125 is the 4 pixels of 32 that are usual for CIFAR-10. x: (B, C, H, W).
    """

    keeps_bounds: ClassVar[bool] = True
    padding: float = ranged(0.03, 0.25, default=0.125, unit="fraction of the side", maximum=0.9)
    fill: str = choice("zeros", "reflection")

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        size = constant(tuple(x.shape[-2:]), torch.long, x.device)
        most = (self.padding * flat(strength)[:, None] * size).round().minimum(size - 1.0)
        draw = torch.rand(most.shape, generator=rng, device=x.device)
        shift = ((2 * most + 1) * draw).floor() - most
        if quick_alone(x):
            return self._shifted_one_by_one(x, shift, info)
        (row, row_inside), (column, column_inside) = (
            _shifted(shift[:, axis], x.shape[2 + axis], self.fill) for axis in (0, 1)
        )
        index = (row[:, :, None] * x.shape[-1] + column[:, None]).flatten(1)[:, None]
        out = x.flatten(2).gather(2, index.expand(-1, x.shape[1], -1)).reshape(x.shape)
        if self.fill == "zeros":
            out = out.masked_fill(~(row_inside[:, :, None] & column_inside[:, None])[:, None], 0)
        return clip_(out, info.bounds)

    def _shifted_one_by_one(self, x: Tensor, shift: Tensor, info: BatchInfo) -> Tensor:
        """Return x, shifted by ``shift`` (B, 2) pixels, on a CPU, where whole rows are copied fastest."""
        out, given = empty_like(x), x.detach().numpy()
        rows, _ = _shifted(shift[:, 0], x.shape[2], self.fill)
        moves: list[list[int]] = shift.long().tolist()
        for image, source, row, (down, across) in zip(out.numpy(), given, rows.numpy(), moves, strict=True):
            height, width = image.shape[1:]
            first, last = max(-down, 0), min(height - down, height)
            left, right = max(-across, 0), min(width - across, width)
            if self.fill == "zeros":
                image[...] = 0
                image[:, first:last, left:right] = source[:, first + down : last + down, left + across : right + across]
                continue
            moved = source[:, row]
            image[:, :, left:right] = moved[:, :, left + across : right + across]
            # the mirror stands in the border pixel, which is not repeated
            image[:, :, :left] = moved[:, :, left:0:-1]
            image[:, :, right:] = moved[:, :, width - 2 : width - 2 - (width - right) : -1]
        return clip_(out, info.bounds)


def _shifted(shift: Tensor, size: int, fill: str) -> tuple[Tensor, Tensor]:
    """Return the pixels (B, size) that a row or column shows after the shift, and which of them lay inside the image.

    Indices beyond an end are mirrored (``reflection``) or set to that end.
    """
    index = torch.arange(size, device=shift.device) + shift.long()[:, None]
    inside = (index >= 0) & (index < size)
    if fill == "reflection":
        index = size - 1 - (size - 1 - index.abs()).abs()
    return index.clamp(0, size - 1), inside
