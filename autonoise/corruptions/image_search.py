"""Image corruptions that a search may see, in fractions of the full range or pixels at 32x32."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
from PIL import Image
from scipy import fft, ndimage

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.pixels import Bytes, Floats, to_bytes, to_unit
from autonoise.corruptions.rows import stochastic_round
from autonoise.types import DataType, Family

_IMAGENET_C = "Hendrycks & Dietterich 2019, ImageNet-C"
_search = partial(corruption, data_type=DataType.IMAGE, group="search")


@_search(
    family=Family.INDEPENDENT,
    severities=(0.04, 0.06, 0.08, 0.09, 0.10),
    mildest=0.005,
    harshest=0.8,
    unit="fraction of full scale",
    log=True,
    reference=_IMAGENET_C,
)
def gaussian_noise(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """White Gaussian noise of standard deviation ``amount`` on each pixel and channel."""
    return to_bytes(to_unit(rows) + np.float32(amount) * rng.standard_normal(rows.shape, dtype=np.float32))


@_search(
    family=Family.IMPULSE,
    severities=(0.005, 0.01, 0.02, 0.035, 0.05),
    mildest=0.0005,
    harshest=0.7,
    unit="fraction of values",
    log=True,
    reference=_IMAGENET_C,
)
def impulse_noise(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Salt and pepper: this fraction of the values becomes 0 or 255."""
    draw = rng.random(rows.shape, dtype=np.float32)
    return np.where(draw < amount / 2, np.uint8(0), np.where(draw < amount, np.uint8(255), rows))


@_search(
    family=Family.BLUR,
    severities=(0.4, 0.6, 0.7, 0.8, 1.0),
    mildest=0.25,
    harshest=8.0,
    unit="pixels (sigma) at 32x32",
    log=True,
    reference=_IMAGENET_C,
    pixel_scaled=True,
)
def gaussian_blur(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Blur with a Gaussian of this standard deviation."""
    return to_bytes(ndimage.gaussian_filter(to_unit(rows), (0, amount, amount, 0), mode="reflect"))


@_search(
    family=Family.BLUR,
    severities=(1.0, 1.5, 2.0, 2.5, 3.0),
    mildest=0.5,
    harshest=24.0,
    unit="pixels (length) at 32x32",
    log=True,
    reference=_IMAGENET_C,
    pixel_scaled=True,
)
def motion_blur(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Average along a straight path of this length, in a direction of its own for each picture."""
    reach = int(np.ceil(amount / 2)) + 1
    x = np.pad(to_unit(rows), ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    size = x.shape[1:3]
    kernel = _line_kernels(rng.uniform(0, np.pi, len(rows)), amount, size)
    spectrum = fft.rfft2(x, axes=(1, 2)) * fft.rfft2(kernel, axes=(1, 2))[..., None]
    blurred = fft.irfft2(spectrum, s=size, axes=(1, 2))
    return to_bytes(blurred[:, reach:-reach, reach:-reach])


def _line_kernels(angle: np.ndarray, length: float, size: tuple[int, int]) -> Floats:
    """(N, H, W) kernels of sum 1, centred at the corner (0, 0) as the transform wants them."""
    n, points = len(angle), 4 * int(np.ceil(length)) + 5
    along = np.linspace(-length / 2, length / 2, points)
    y, x = np.sin(angle)[:, None] * along, np.cos(angle)[:, None] * along
    kernel = np.zeros((n, *size), dtype=np.float32)
    row = np.broadcast_to(np.arange(n)[:, None], y.shape)
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dy - (y - y0)) * np.abs(1 - dx - (x - x0)) / points
            np.add.at(kernel, (row, (y0 + dy) % size[0], (x0 + dx) % size[1]), weight)
    return kernel


@_search(
    family=Family.PHOTOMETRIC,
    severities=(0.8, 0.7, 0.6, 0.5, 0.4),
    mildest=0.98,
    harshest=0.02,
    unit="remaining contrast",
    log=True,
    reference=_IMAGENET_C,
)
def contrast(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Shrink the distance from the picture's mean in each channel to this fraction."""
    x = to_unit(rows)
    mean = x.mean(axis=(1, 2), keepdims=True)
    return to_bytes(mean + np.float32(amount) * (x - mean))


@_search(
    family=Family.PHOTOMETRIC,
    severities=(0.1, 0.2, 0.25, 0.3, 0.4),
    mildest=0.02,
    harshest=0.9,
    unit="fraction of full scale",
    log=True,
    reference=_IMAGENET_C,
)
def brightness(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Add this fraction of the full range everywhere; what exceeds white is lost."""
    return to_bytes(to_unit(rows) + np.float32(amount))


@_search(
    family=Family.COMPRESSION,
    severities=(60, 40, 25, 15, 10),
    mildest=95,
    harshest=1,
    unit="JPEG quality",
    log=True,
    reference=_IMAGENET_C,
)
def jpeg(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Save and load as JPEG of this quality; a fraction is rounded at random for each picture."""
    quality = np.clip(stochastic_round(np.full(len(rows), amount), rng), 1, 95)
    out = np.empty_like(rows)
    for i, (row, q) in enumerate(zip(rows, quality, strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(row.squeeze(-1) if row.shape[-1] == 1 else row).save(buffer, "JPEG", quality=int(q))
        buffer.seek(0)
        with Image.open(buffer) as image:
            out[i] = np.asarray(image).reshape(row.shape)
    return out


@_search(
    family=Family.OCCLUSION,
    severities=(0.1, 0.2, 0.35, 0.5, 0.7),
    mildest=0.02,
    harshest=0.95,
    unit="fraction of cells",
    log=True,
    reference="Mintun et al. 2021, CIFAR-10-C-bar",
)
def checkerboard_cutout(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Blacken this fraction of the cells of a board of 8x8 cells that starts at a random pixel."""
    n, height, width, _ = rows.shape
    cell = max(1, round(min(height, width) / 8))
    cells = (n, height // cell + 2, width // cell + 2)
    board = rng.random(cells, dtype=np.float32) < amount
    shift = rng.integers(0, cell, (2, n))
    y = (np.arange(height)[None] + shift[0][:, None]) // cell
    x = (np.arange(width)[None] + shift[1][:, None]) // cell
    hidden = board[np.arange(n)[:, None, None], y[:, :, None], x[:, None, :]]
    return np.where(hidden[..., None], np.uint8(0), rows)
