"""What the series and audio corruptions share: statistics, smooth curves, power and mixing at an SNR."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from autonoise.corruptions.base import Reference

Floats = npt.NDArray[np.float32]
_FRAME_SECONDS = 0.02
_SILENCE = 1e-4
"""A frame is silent if its power is below this share of that of the loudest frame of the clip: 40 dB less."""


def channel_stats(reference: Reference) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each channel in training, (C, 1); 0 for a channel without values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.asarray(np.nanmean(reference.array, axis=(0, 2), dtype=np.float64), dtype=np.float32)
        std = np.asarray(np.nanstd(reference.array, axis=(0, 2), dtype=np.float64), dtype=np.float32)
    return np.nan_to_num(mean)[:, None], np.nan_to_num(std)[:, None]


def channel_quantile(values: npt.NDArray[Any], q: float) -> npt.NDArray[np.float64]:
    """Quantile of each channel over rows and time, (C, 1); 0 for a channel without values."""
    out = np.zeros((values.shape[1], 1))
    for channel in range(values.shape[1]):
        known = values[:, channel][~np.isnan(values[:, channel])]
        if len(known):
            out[channel] = np.quantile(known, q)
    return out


def true_lengths(rows: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """(N,) steps up to the last value that is there in any channel."""
    known = ~np.isnan(rows) if rows.ndim == 2 else ~np.isnan(rows).all(axis=1)
    return np.where(known.any(axis=1), known.shape[1] - np.argmax(known[:, ::-1], axis=1), 0)


def smooth_curves(shape: tuple[int, ...], length: int, rng: np.random.Generator) -> Floats:
    """Random sums of half, one and one and a half cosine waves over ``length`` steps, each of RMS 1."""
    t = (np.arange(length) + 0.5) / max(1, length)
    waves = np.cos(np.pi * np.arange(1, 4)[:, None] * t)
    curves = rng.standard_normal((*shape, 3)) @ waves
    rms = np.sqrt((curves**2).mean(axis=-1, keepdims=True))
    return np.asarray(curves / np.maximum(rms, 1e-12), dtype=np.float32)


def active(clips: Floats, rate: int) -> npt.NDArray[np.bool_]:
    """Samples in 20 ms frames within 40 dB of the clip's loudest frame, (N, T); padding (NaN) never is."""
    n, length = clips.shape
    frame = max(1, round(rate * _FRAME_SECONDS))
    padded = np.pad(clips, ((0, 0), (0, -length % frame)), constant_values=np.nan).reshape(n, -1, frame)
    known = ~np.isnan(padded)
    power = (np.nan_to_num(padded) ** 2).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    loud = (power >= _SILENCE * power.max(axis=1, keepdims=True)) & (power > 0)
    return np.asarray(np.repeat(loud, frame, axis=1)[:, :length] & ~np.isnan(clips))


def active_power(clips: Floats, rate: int) -> Floats:
    """Mean square of each clip's active samples, (N, 1); 0 for a silent clip."""
    heard = active(clips, rate)
    total = np.where(heard, clips, 0).astype(np.float64) ** 2
    power = total.sum(axis=1, keepdims=True) / np.maximum(heard.sum(axis=1, keepdims=True), 1)
    return np.asarray(power, dtype=np.float32)


def mixed(clips: Floats, noise: Floats, snr_db: float, rate: int) -> Floats:
    """Add g * noise, with g such that 10 log10(active power / active power of g * noise) is ``snr_db``."""
    noise = np.where(np.isnan(clips), np.nan, noise).astype(np.float32)
    ratio = active_power(clips, rate) / np.maximum(active_power(noise, rate), 1e-20)
    return np.clip(clips + np.sqrt(ratio * 10 ** (-snr_db / 10)).astype(np.float32) * noise, -1, 1)


def drawn_clips(source: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """(n, length) stretches of random clips, each from a random start and repeated where it is too short."""
    index = rng.integers(len(source), size=n)
    period = np.maximum(true_lengths(source), 1)[index]
    time = (rng.integers(period)[:, None] + np.arange(length)[None]) % period[:, None]
    return np.asarray(np.nan_to_num(source[index[:, None], time]), dtype=np.float32)


def pink(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """(N, T) Gaussian noise with a power spectrum of 1/f."""
    spectrum = fft.rfft(rng.standard_normal(shape, dtype=np.float32), axis=1)
    frequency = np.arange(spectrum.shape[1], dtype=np.float32)
    frequency[0] = np.inf
    return np.asarray(fft.irfft(spectrum / np.sqrt(frequency), n=shape[1], axis=1), dtype=np.float32)
