"""Image corruptions that no search sees, in fractions of the full range or pixels at 32x32."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image
from scipy import ndimage

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.pixels import Bytes, displaced, fractal_field, grid, per_row, to_bytes, to_unit
from autonoise.corruptions.rows import stochastic_round
from autonoise.types import DataType, Family

_C_BAR = "Mintun et al. 2021, CIFAR-10-C-bar"
_IMAGENET_C = "Hendrycks & Dietterich 2019, ImageNet-C"
_held_out = partial(corruption, data_type=DataType.IMAGE, group="held_out")


@_held_out(
    family=Family.LOW_FREQUENCY,
    severities=(0.02, 0.04, 0.06, 0.08, 0.11),
    mildest=0.005,
    harshest=0.8,
    unit="fraction of full scale (standard deviation)",
    log=True,
    reference=_C_BAR,
)
def low_frequency_noise(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Noise with a power spectrum of 1/f^2 and this standard deviation, one field for each channel."""
    n, height, width, channels = rows.shape
    field = fractal_field((n * channels, height, width), rng).reshape(n, channels, height, width)
    return to_bytes(to_unit(rows) + np.float32(amount) * field.transpose(0, 2, 3, 1))


@_held_out(
    family=Family.PERIODIC,
    severities=(0.02, 0.04, 0.06, 0.09, 0.13),
    mildest=0.01,
    harshest=1.0,
    unit="fraction of full scale (amplitude)",
    log=True,
    reference=_C_BAR,
)
def sine_grating(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Add a sine wave of this amplitude, of 2 to 8 periods per picture in a random direction."""
    n, height, width, _ = rows.shape
    angle, phase = per_row(rng.uniform(0, np.pi, n)), per_row(rng.uniform(0, 2 * np.pi, n))
    periods = per_row(np.exp(rng.uniform(np.log(2), np.log(8), n)))
    y, x = grid(height, width)
    position = (np.sin(angle) * y + np.cos(angle) * x) / min(height, width)
    wave = np.sin(2 * np.pi * periods * position + phase)
    return to_bytes(to_unit(rows) + np.float32(amount) * wave[..., None])


@_held_out(
    family=Family.LOW_FREQUENCY,
    severities=(0.1, 0.2, 0.35, 0.5, 0.75),
    mildest=0.02,
    harshest=1.0,
    unit="opacity where the fog is thickest",
    log=True,
    reference=_IMAGENET_C,
    near=(Family.PHOTOMETRIC,),
)
def fog(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Blend with white fog whose opacity varies from half of ``amount`` to ``amount`` across the picture."""
    field = fractal_field(rows.shape[:3], rng)
    low, high = field.min(axis=(1, 2), keepdims=True), field.max(axis=(1, 2), keepdims=True)
    thickness = (field - low) / np.maximum(high - low, 1e-12)
    opacity = np.float32(amount) * (0.5 + 0.5 * thickness[..., None])
    x = to_unit(rows)
    return to_bytes(x + opacity * (1 - x))


@_held_out(
    family=Family.GEOMETRIC,
    severities=(0.3, 0.6, 1.0, 1.5, 2.0),
    mildest=0.1,
    harshest=8.0,
    unit="pixels (RMS shift in each direction) at 32x32",
    log=True,
    reference=_IMAGENET_C,
    pixel_scaled=True,
)
def elastic(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Move pixels along a smooth random field of this RMS size and a width of an eighth of the picture."""
    n, height, width, _ = rows.shape
    noise = rng.standard_normal((2, n, height, width), dtype=np.float32)
    width_of_field = min(height, width) / 8
    field = ndimage.gaussian_filter(noise, (0, 0, width_of_field, width_of_field), mode="wrap")
    field -= field.mean(axis=(2, 3), keepdims=True)
    field /= np.maximum(np.sqrt((field**2).mean(axis=(2, 3), keepdims=True)), 1e-12)
    return displaced(rows, np.float32(amount) * field[0], np.float32(amount) * field[1])


@_held_out(
    family=Family.GEOMETRIC,
    severities=(0.3, 0.5, 0.7, 0.9, 1.2),
    mildest=0.1,
    harshest=8.0,
    unit="pixels (amplitude) at 32x32",
    log=True,
    reference=_C_BAR,
    pixel_scaled=True,
)
def ripple(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Shift rows and columns along sine waves of this amplitude, of 2 to 5 periods per picture."""
    n, height, width, _ = rows.shape
    y, x = grid(height, width)
    shift = []
    for position in (x / width, y / height):
        periods, phase = per_row(rng.uniform(2, 5, n)), per_row(rng.uniform(0, 2 * np.pi, n))
        shift.append(np.float32(amount) * np.sin(2 * np.pi * periods * position + phase))
    return displaced(rows, shift[0], shift[1])


@_held_out(
    family=Family.RESAMPLING,
    severities=(0.95, 0.85, 0.75, 0.65, 0.55),
    mildest=0.99,
    harshest=0.06,
    unit="remaining fraction of the side",
    log=True,
    reference=_IMAGENET_C,
)
def pixelate(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Average down to this fraction of the side and repeat pixels back to the old size."""
    n, height, width, _ = rows.shape
    small_height = np.clip(stochastic_round(np.full(n, height * amount), rng), 1, height)
    out = np.empty_like(rows)
    for i, (row, small) in enumerate(zip(rows, small_height, strict=True)):
        size = (max(1, round(width * int(small) / height)), int(small))
        image = Image.fromarray(row.squeeze(-1) if row.shape[-1] == 1 else row)
        shrunk = image.resize(size, Image.Resampling.BOX)
        out[i] = np.asarray(shrunk.resize((width, height), Image.Resampling.NEAREST)).reshape(row.shape)
    return out


@_held_out(
    family=Family.QUANTISATION,
    severities=(16, 9, 6, 4, 3),
    mildest=64,
    harshest=2,
    unit="grey levels",
    log=True,
    reference="Cubuk et al. 2019, AutoAugment",
)
def posterise(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Round each channel to steps of 1 / (``amount`` - 1); a fraction gives a step in between."""
    steps = np.float32(amount - 1)
    return to_bytes(np.rint(to_unit(rows) * steps) / steps)


@_held_out(
    family=Family.GEOMETRIC,
    severities=(5, 10, 15, 22, 30),
    mildest=1,
    harshest=90,
    unit="degrees",
    log=True,
    reference="Engstrom et al. 2019",
)
def rotate(rows: Bytes, amount: float, rng: np.random.Generator, reference: Reference) -> Bytes:
    """Turn about the centre by this angle to the left or right; mirrored at the border."""
    n, height, width, _ = rows.shape
    angle = per_row(np.deg2rad(amount) * rng.choice([-1.0, 1.0], n))
    y, x = grid(height, width)
    y, x = y - np.float32((height - 1) / 2), x - np.float32((width - 1) / 2)
    dy = np.cos(angle) * y - np.sin(angle) * x - y
    dx = np.sin(angle) * y + np.cos(angle) * x - x
    return displaced(rows, dy, dx)
