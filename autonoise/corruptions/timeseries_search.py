"""Time series corruptions that a search may see. Amounts are mostly in training standard deviations."""

from __future__ import annotations

from functools import partial

import numpy as np

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.waves import Floats, channel_stats
from autonoise.types import DataType, Family

_search = partial(corruption, data_type=DataType.TIMESERIES, group="search", log=True)


@_search(
    family=Family.INDEPENDENT,
    severities=(0.01, 0.02, 0.04, 0.08, 0.15),
    mildest=0.002,
    harshest=8.0,
    unit="training standard deviations",
    reference="Um et al. 2017",
)
def jitter(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add white Gaussian noise, scaled by the channel."""
    noise = rng.standard_normal(rows.shape, dtype=np.float32)
    return rows + np.float32(amount) * channel_stats(reference)[1] * noise


@_search(
    family=Family.IMPULSE,
    severities=(0.001, 0.002, 0.004, 0.008, 0.015),
    mildest=0.0003,
    harshest=0.5,
    unit="fraction of points",
)
def spikes(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add spikes of 3 to 10 training standard deviations, up or down, to this fraction of the points."""
    hit = rng.random(rows.shape) < amount
    height = rng.uniform(3, 10, rows.shape) * rng.choice([-1.0, 1.0], rows.shape)
    return np.asarray(rows + hit * height * channel_stats(reference)[1], dtype=np.float32)


@_search(
    family=Family.MISSINGNESS,
    severities=(0.1, 0.25, 0.4, 0.6, 0.8),
    mildest=0.02,
    harshest=0.98,
    unit="fraction of time steps",
)
def point_dropout(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Lose this fraction of the time steps; the last value before stands in, at the start the first after."""
    n, _, length = rows.shape
    lost = np.broadcast_to(rng.random((n, 1, length)) < amount, rows.shape)
    kept = ~lost & ~np.isnan(rows)
    steps = np.arange(length)
    before = np.maximum.accumulate(np.where(kept, steps, -1), axis=2)
    first = np.argmax(kept, axis=2)[:, :, None]
    filled = np.take_along_axis(rows, np.where(before < 0, first, before), axis=2)
    return np.where(lost & kept.any(axis=2, keepdims=True), filled, rows)


@_search(
    family=Family.GAIN,
    severities=(0.1, 0.2, 0.3, 0.45, 0.7),
    mildest=0.02,
    harshest=0.98,
    unit="fraction of the value",
    reference="Um et al. 2017",
)
def gain(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Multiply each channel of each row by 1 + amount or 1 - amount."""
    sign = rng.choice([-1.0, 1.0], (*rows.shape[:2], 1)).astype(np.float32)
    return rows * (1 + np.float32(amount) * sign)
