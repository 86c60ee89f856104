"""Degrade images as JPEG compression does."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.ops.buffers import in_blocks, put
from autonoise.ops.dct import block_diagonal, dct_matrix
from autonoise.ops.devices import constant, on_device
from autonoise.ops.precision import flat, widen
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique

# The rounding steps of the 64 coefficients at quality 50, row by row: tables K.1 and K.2 of the standard.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
# The same for both colour differences.
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, *[99] * 36,
)  # fmt: skip
# From RGB to luminance and two colour differences (Y, Cb, Cr), as the JFIF standard defines them.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


@technique(
    data_types={"image"},
    family=Family.COMPRESSION,
    reference="ITU-T T.81, 1992 (JPEG); libjpeg's quality",
)
class Jpeg(InputNoise):
    """Round the cosine transform of 8x8 blocks as JPEG does, for luminance and colour at full resolution.

    The quality falls from 100 at strength 0 to ``quality`` at strength 1, and further above, but never below 1. Unlike
    most encoders, this one does not halve the resolution of the colours. x: (B, C, H, W) in 0..1; three channels are
    taken as RGB, and with any other number each channel is treated as luminance.
    """

    quality: float = ranged(10.0, 80.0, default=30.0, unit="JPEG quality", minimum=1.0, maximum=100.0)
    subset = True
    keeps_bounds: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        height, width = x.shape[-2:]
        channels, exact = x.shape[1], torch.promote_types(x.dtype, torch.float32)
        colours = channels == 3
        colour = constant(_TO_YCC, exact, x.device)
        # JPEG subtracts 128 from each luminance before the transform
        shift = constant((128.0, 0.0, 0.0) if colours else (128.0,) * channels, exact, x.device)[:, None]
        across = block_diagonal(dct_matrix(8, colour), 16 if -(-width // 8) % 2 == 0 else 8)
        down = dct_matrix(8, colour)
        # in units of 0..1 for x and 0..255 for what is transformed
        there = colour * 255
        # inverted on the CPU, since a GPU would report back whether it can be
        back = on_device(constant(_TO_YCC, exact, torch.device("cpu")).inverse(), x.device) / 255
        shift_back = back @ shift if colours else shift
        tables = _tables(100 - flat(strength) * (100 - self.quality), channels, colour)

        def change(x: Tensor, out: Tensor, table: Tensor) -> None:
            wide = widen(x).flatten(2)
            if colours:
                # encoders store these values as bytes
                wide = torch.baddbmm(-shift, there.expand(len(x), -1, -1), wide).round_()
            else:
                wide = torch.add(-shift, wide, alpha=255)
            wide = wide.view(x.shape)
            if height % 8 or width % 8:
                wide = F.pad(wide, (0, -width % 8, 0, -height % 8), mode="replicate")
            shape = wide.shape
            strips = (len(x) * channels * shape[2] // 8, 8, shape[3])
            # the transform of 8x8 blocks, along the rows and then along the columns, without taking the blocks apart
            wide = torch.mm(wide.view(-1, len(across)), across.T).view(strips)
            wide = torch.bmm(down.expand(len(wide), -1, -1), wide).view(len(x), channels, -1, 8, shape[3])
            step = table.view(len(table), channels, 1, 8, 8).repeat(1, 1, 1, 1, shape[3] // 8)
            wide.div_(step).round_().mul_(step)
            wide = torch.bmm(down.T.expand(strips[0], -1, -1), wide.view(strips))
            wide = torch.mm(wide.view(-1, len(across)), across).view(shape)
            wide = wide[..., :height, :width].reshape(len(x), channels, -1)
            if colours:
                wide = torch.baddbmm(shift_back, back.expand(len(x), -1, -1), wide)
            else:
                wide = wide.add_(shift).div_(255)
            put(wide.view(x.shape), out, info.bounds)

        return in_blocks(change, x, tables)


def _tables(quality: Tensor, channels: int, like: Tensor) -> Tensor:
    """Return the step of each coefficient's rounding, (B, C, 64), scaled with the quality (B,) as libjpeg does."""
    quality = quality.clamp(1, 100)[:, None, None]
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor()
    names = (_LUMINANCE, _CHROMINANCE, _CHROMINANCE) if channels == 3 else (_LUMINANCE,) * channels
    base = constant(names, torch.float32, like.device)
    # adding 50 before the division rounds to the nearest whole number; JPEG stores the steps as bytes, 1 .. 255
    return ((base * percent + 50) / 100).floor().clamp(1, 255).to(like.dtype)
