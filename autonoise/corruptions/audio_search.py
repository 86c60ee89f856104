"""Audio corruptions that a search may see. Starting amounts suit speech at 8 kHz."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import signal

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.rows import stochastic_round
from autonoise.corruptions.waves import Floats, active, mixed, pink, true_lengths
from autonoise.types import DataType, Family

_search = partial(corruption, data_type=DataType.AUDIO, group="search")


@_search(
    family=Family.INDEPENDENT,
    severities=(45, 40, 35, 30, 25),
    mildest=60,
    harshest=-10,
    unit="dB SNR",
)
def white_noise(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add white Gaussian noise at this signal-to-noise ratio over the active part of the clip."""
    return mixed(rows, rng.standard_normal(rows.shape, dtype=np.float32), amount, reference.rate)


@_search(
    family=Family.LOW_FREQUENCY,
    severities=(40, 35, 30, 25, 20),
    mildest=55,
    harshest=-15,
    unit="dB SNR",
    near=(Family.INDEPENDENT,),
)
def pink_noise(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add noise with a power spectrum of 1/f at this signal-to-noise ratio over the active part."""
    return mixed(rows, pink((rows.shape[0], rows.shape[1]), rng), amount, reference.rate)


@_search(
    family=Family.SATURATION,
    severities=(0.97, 0.93, 0.87, 0.8, 0.7),
    mildest=0.995,
    harshest=0.02,
    unit="quantile of the active samples' size",
    log=True,
)
def clipping(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Clip at the size that this fraction of the clip's active samples keeps."""
    heard = active(rows, reference.rate)
    size = np.sort(np.where(heard, np.abs(rows), np.inf), axis=1)
    last = np.floor(amount * np.maximum(heard.sum(axis=1) - 1, 0)).astype(np.intp)
    limit = np.take_along_axis(size, last[:, None], axis=1)
    return np.clip(rows, -limit, limit)


@_search(
    family=Family.BLUR,
    severities=(3400, 3000, 2600, 2200, 1800),
    mildest=7600,
    harshest=150,
    unit="Hz",
    log=True,
    near=(Family.BAND_LIMIT,),
)
def low_pass(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Remove what lies above this frequency (Butterworth, order 8), if the sample rate reaches it."""
    if amount >= 0.49 * reference.rate:
        return rows.copy()
    filters = signal.butter(8, amount, fs=reference.rate, output="sos")
    return np.asarray(signal.sosfilt(filters, np.nan_to_num(rows), axis=1), dtype=np.float32).clip(-1, 1)


@_search(
    family=Family.OCCLUSION,
    severities=(0.05, 0.1, 0.15, 0.2, 0.27),
    mildest=0.01,
    harshest=0.95,
    unit="fraction of the clip",
    log=True,
    reference="Park et al. 2019, SpecAugment",
)
def time_mask(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Silence one stretch of the clip."""
    length = true_lengths(rows)
    size = np.minimum(stochastic_round(amount * length, rng), length)
    start = rng.integers(0, length - size + 1)
    time = np.arange(rows.shape[1])[None]
    return np.where((time >= start[:, None]) & (time < (start + size)[:, None]), np.float32(0), rows)


@_search(
    family=Family.TIME_WARP,
    severities=(1.1, 1.2, 1.3, 1.45, 1.6),
    mildest=1.02,
    harshest=4.0,
    unit="times the speed",
    log=True,
    reference="Ko et al. 2015",
)
def speed(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Play faster, which also raises the pitch; the clip gets shorter, so its padding grows."""
    out = np.full_like(rows, np.nan)
    for row, length, target in zip(rows, true_lengths(rows), out, strict=True):
        size = max(1, round(length / amount)) if length else 0
        if size:
            target[:size] = signal.resample(np.nan_to_num(row[:length]), size).clip(-1, 1)
    return out
