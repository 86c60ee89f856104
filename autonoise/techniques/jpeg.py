"""Degrade images as JPEG compression does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.ops.dct import dct_matrix
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

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x) * 255
        height, width = x.shape[-2:]
        colour = torch.tensor(_TO_YCC, dtype=wide.dtype, device=x.device)
        if x.shape[1] == 3:
            wide = torch.einsum("ij,bjhw->bihw", colour, wide).round()  # encoders store these values as bytes
        wide = F.pad(wide, (0, -width % 8, 0, -height % 8), mode="replicate")
        blocks = _blocks(wide)
        transform = torch.kron(dct_matrix(8, wide), dct_matrix(8, wide))
        table = _tables(100 - flat(strength) * (100 - self.quality), x.shape[1], wide)[:, :, None]
        # JPEG subtracts 128 from each luminance; in the transform only the constant coefficient changes, by 128 * 8
        shift = torch.zeros(x.shape[1], 1, 64, dtype=wide.dtype, device=x.device)
        shift[: 1 if x.shape[1] == 3 else None, :, 0] = 1024
        coefficients = ((blocks @ transform.T - shift) / table).round() * table + shift
        out = _images(coefficients @ transform, wide.shape)[..., :height, :width]
        if x.shape[1] == 3:
            out = torch.einsum("ij,bjhw->bihw", colour.inverse(), out)
        return (out / 255).to(x.dtype)


def _blocks(x: Tensor) -> Tensor:
    """Cut images (B, C, H, W) into blocks of 8x8 pixels: (B, C, blocks, 64)."""
    b, c, h, w = x.shape
    return x.reshape(b, c, h // 8, 8, w // 8, 8).transpose(3, 4).reshape(b, c, -1, 64)


def _images(blocks: Tensor, shape: torch.Size) -> Tensor:
    """Put the blocks together again: the inverse of :func:`_blocks`, for images of the given shape."""
    b, c, h, w = shape
    return blocks.reshape(b, c, h // 8, w // 8, 8, 8).transpose(3, 4).reshape(shape)


def _tables(quality: Tensor, channels: int, like: Tensor) -> Tensor:
    """Return the step of each coefficient's rounding, (B, C, 64), scaled with the quality (B,) as libjpeg does."""
    quality = quality.clamp(1, 100)[:, None, None]
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor()
    names = [_LUMINANCE, _CHROMINANCE, _CHROMINANCE] if channels == 3 else [_LUMINANCE] * channels
    base = torch.tensor(names, device=like.device, dtype=torch.float32)
    # adding 50 before the division rounds to the nearest whole number; JPEG stores the steps as bytes, 1 .. 255
    return ((base * percent + 50) / 100).floor().clamp(1, 255).to(like.dtype)
