"""Time series corruptions that no search sees. Amounts are mostly in training standard deviations."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.rows import stochastic_round
from autonoise.corruptions.waves import Floats, channel_quantile, channel_stats, smooth_curves, true_lengths
from autonoise.types import DataType, Family

_held_out = partial(corruption, data_type=DataType.TIMESERIES, group="held_out", log=True)


@_held_out(
    family=Family.LOW_FREQUENCY,
    severities=(0.2, 0.4, 0.7, 1.0, 1.5),
    mildest=0.02,
    harshest=10.0,
    unit="training standard deviations (RMS)",
)
def drift(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add a slow wave of at most one and a half periods, of its own for each channel."""
    curve = smooth_curves(rows.shape[:2], rows.shape[2], rng)
    return rows + np.float32(amount) * channel_stats(reference)[1] * curve


@_held_out(
    family=Family.OCCLUSION,
    severities=(0.05, 0.1, 0.2, 0.35, 0.5),
    mildest=0.01,
    harshest=0.95,
    unit="fraction of the length",
)
def gap(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Set one stretch of all channels to the training mean, as where a sensor was off."""
    length = true_lengths(rows)
    size = np.minimum(stochastic_round(amount * length, rng), length)
    start = rng.integers(0, length - size + 1)
    steps = np.arange(rows.shape[2])[None]
    hidden = (steps >= start[:, None]) & (steps < (start + size)[:, None])
    return np.where(hidden[:, None], channel_stats(reference)[0], rows)


@_held_out(
    family=Family.RESAMPLING,
    severities=(0.6, 0.45, 0.33, 0.22, 0.15),
    mildest=0.95,
    harshest=0.03,
    unit="fraction of the points that is kept",
)
def downsample(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Keep evenly spaced points and draw straight lines between them."""
    out, lengths = rows.copy(), true_lengths(rows)
    for row, length, kept in zip(out, lengths, stochastic_round(amount * lengths, rng), strict=True):
        if length < 2:
            continue
        points = np.linspace(0, length - 1, max(2, int(kept)))
        steps = np.arange(length)
        for channel in row:
            values = _bridged(channel[:length])
            channel[:length] = np.interp(steps, points, np.interp(points, steps, values))
    return out


@_held_out(
    family=Family.QUANTISATION,
    severities=(128, 64, 32, 16, 8),
    mildest=256,
    harshest=2,
    unit="levels",
)
def quantise(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Round to evenly spaced levels over the training range of the channel; fractions are steps between."""
    low = channel_quantile(reference.array, 0.0)
    width = channel_quantile(reference.array, 1.0) - low
    step = np.where(width > 0, width / (amount - 1), 1.0)
    rounded = low + np.rint((np.clip(rows, low, low + width) - low) / step) * step
    return np.where(width > 0, rounded, rows).astype(np.float32)


@_held_out(
    family=Family.PERIODIC,
    severities=(0.01, 0.02, 0.04, 0.08, 0.15),
    mildest=0.005,
    harshest=8.0,
    unit="training standard deviations (RMS)",
)
def hum(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add one sine wave of 4 to 16 steps a period to all channels of a row."""
    n, _, length = rows.shape
    period = rng.uniform(4, 16, (n, 1, 1))
    phase = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    wave = np.sqrt(2) * np.sin(2 * np.pi * np.arange(length) / period + phase)
    return np.asarray(rows + amount * channel_stats(reference)[1] * wave, dtype=np.float32)


@_held_out(
    family=Family.SATURATION,
    severities=(0.95, 0.88, 0.8, 0.7, 0.6),
    mildest=0.995,
    harshest=0.05,
    unit="quantile of the distance from the mean in training",
)
def saturation(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Clip at the distance from the channel's mean that this fraction of the training values keeps."""
    mean = channel_stats(reference)[0]
    limit = channel_quantile(np.abs(reference.array - mean), amount).astype(np.float32)
    return np.clip(rows, mean - limit, mean + limit)


@_held_out(
    family=Family.TIME_WARP,
    severities=(0.15, 0.3, 0.5, 0.7, 1.0),
    mildest=0.03,
    harshest=3.0,
    unit="RMS of the logarithm of the speed",
    reference="Um et al. 2017",
)
def time_warp(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Run through each row at a speed that varies smoothly; start and end stay in place."""
    out = rows.copy()
    curves = smooth_curves((len(rows),), rows.shape[2], rng)
    for row, length, curve in zip(out, true_lengths(rows), curves, strict=True):
        if length < 2:
            continue
        time = np.concatenate([[0.0], np.cumsum(np.exp(amount * curve[: length - 1].astype(np.float64)))])
        time *= (length - 1) / time[-1]
        steps = np.arange(length)
        for channel in row:
            channel[:length] = np.interp(time, steps, _bridged(channel[:length]))
    return out


def _bridged(values: Floats) -> npt.NDArray[np.float64]:
    """Missing points drawn as straight lines between their neighbours; zeros where nothing is there."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) == 0:
        return np.zeros(len(values))
    return np.asarray(np.interp(np.arange(len(values)), known, values[known]), dtype=np.float64)
