"""What the image corruptions share: units, smooth random fields and resampling along displacements."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def to_unit(rows: Bytes) -> Floats:
    return rows.astype(np.float32) / np.float32(255)


def to_bytes(x: npt.NDArray[Any]) -> Bytes:
    """From 0..1 with clipping and rounding to the nearest byte."""
    return np.asarray(np.rint(np.clip(x, 0, 1) * 255), dtype=np.uint8)


def per_row(values: npt.ArrayLike) -> Floats:
    """(N,) as (N, 1, 1) float32, to broadcast over (N, H, W)."""
    return np.asarray(values, dtype=np.float32)[:, None, None]


def fractal_field(shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """(N, H, W) Gaussian fields with a power spectrum of 1/f^2, each of mean 0 and standard deviation 1."""
    n, height, width = shape
    noise = fft.rfft2(rng.standard_normal((n, height, width), dtype=np.float32))
    frequency = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    field = fft.irfft2(noise / frequency.astype(np.float32), s=(height, width))
    deviation = field.std(axis=(1, 2), keepdims=True)
    return np.asarray(field / np.maximum(deviation, 1e-12), dtype=np.float32)


def grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Row and column of each pixel, (1, H, 1) and (1, 1, W)."""
    y = np.arange(height, dtype=np.float32)[None, :, None]
    x = np.arange(width, dtype=np.float32)[None, None, :]
    return y, x


def displaced(rows: Bytes, dy: npt.NDArray[Any], dx: npt.NDArray[Any]) -> Bytes:
    """Each pixel taken from ``dy``, ``dx`` pixels away, both (N, H, W); bilinear, mirrored at the border."""
    n, height, width, channels = rows.shape
    y, x = grid(height, width)
    shape = (n, height, width)
    row = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], shape)
    at = np.stack([row, np.broadcast_to(y + dy, shape), np.broadcast_to(x + dx, shape)])
    pixels = rows.astype(np.float32)
    out = [ndimage.map_coordinates(pixels[..., c], at, order=1, mode="reflect") for c in range(channels)]
    return np.asarray(np.rint(np.clip(np.stack(out, axis=-1), 0, 255)), dtype=np.uint8)
