"""Shift images by a random number of whole pixels (pad and crop)."""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from autonoise.ops.boxes import quick_alone
from autonoise.ops.buffers import blocks_of, clip_, empty_like
from autonoise.ops.devices import constant
from autonoise.ops.precision import flat
from autonoise.technique import BatchInfo, Family, InputNoise, choice, ranged, technique

Pixels = NDArray[np.floating]


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
        out = empty_like(x)
        moves: list[list[int]] = shift.long().tolist()
        images = zip(out.numpy(), x.detach().numpy(), moves, strict=True)
        for block in blocks_of(x):
            for image, source, (down, across) in itertools.islice(images, len(out[block])):
                self._shift(image, source, down, across)
            clip_(out[block], info.bounds)  # as long as it is in the cache
        return out

    def _shift(self, image: Pixels, source: Pixels, down: int, across: int) -> None:
        """Write ``source`` (C, H, W) to ``image``, shifted."""
        for rows, shown in _parts(down, image.shape[1], self.fill):
            for columns, seen in _parts(across, image.shape[2], self.fill):
                part = image[:, rows, columns]
                part[...] = 0 if shown is None or seen is None else source[:, shown, seen]


def _parts(shift: int, size: int, fill: str) -> list[tuple[slice, slice | None]]:
    """Return the parts of a shifted side, and for each the pixels of the old one that it shows; None: none of them."""
    start, end = max(-shift, 0), min(size - shift, size)
    parts: list[tuple[slice, slice | None]] = [(slice(start, end), slice(start + shift, end + shift))]
    mirrored = fill == "reflection"
    # the mirror stands in the border pixel, which is not repeated
    if start:
        parts.append((slice(0, start), slice(start, 0, -1) if mirrored else None))
    if end < size:
        last = end - 2 if end > 1 else None  # where the slice ends, before this pixel
        parts.append((slice(end, size), slice(size - 2, last, -1) if mirrored else None))
    return parts


def _shifted(shift: Tensor, size: int, fill: str) -> tuple[Tensor, Tensor]:
    """Return the pixels (B, size) that a row or column shows after the shift, and which of them lay inside the image.

    Indices beyond an end are mirrored (``reflection``) or set to that end.
    """
    index = torch.arange(size, device=shift.device) + shift.long()[:, None]
    inside = (index >= 0) & (index < size)
    if fill == "reflection":
        index = size - 1 - (size - 1 - index.abs()).abs()
    return index.clamp(0, size - 1), inside
