"""Audio corruptions that no search sees. Starting amounts suit speech at 8 kHz."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import signal

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.waves import Floats, drawn_clips, mixed
from autonoise.errors import DataError
from autonoise.types import DataType, Family

_held_out = partial(corruption, data_type=DataType.AUDIO, group="held_out")
_PACKET_SECONDS = 0.02
_MU = 255
_EVEN_REVERBERATION = 0.5  # seconds of RT60 at which the echo is as strong as the direct sound


def _has_clips(reference: Reference) -> bool:
    return reference.clips is not None


@_held_out(
    family=Family.BACKGROUND,
    severities=(30, 25, 20, 15, 10),
    mildest=45,
    harshest=-15,
    unit="dB SNR",
)
def babble(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add 3 to 6 training clips at once at this signal-to-noise ratio over the active part."""
    voices = rng.integers(3, 7, size=len(rows))
    noise = np.zeros(rows.shape, dtype=np.float32)
    for voice in range(6):
        clips = drawn_clips(reference.array, len(rows), rows.shape[1], rng)
        noise += (voices > voice)[:, None] * clips
    return mixed(rows, noise, amount, reference.rate)


@_held_out(
    family=Family.PERIODIC,
    severities=(30, 20, 15, 10, 5),
    mildest=45,
    harshest=-25,
    unit="dB SNR",
)
def mains_hum(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add 50 or 60 Hz and four harmonics of falling, random strength at this signal-to-noise ratio."""
    n, length = rows.shape
    base = rng.choice([50.0, 60.0], (n, 1))
    time = np.arange(length)[None] / reference.rate
    noise = np.zeros(rows.shape)
    for harmonic in range(1, 6):
        strength, phase = rng.uniform(0.5, 1, (n, 1)) / harmonic, rng.uniform(0, 2 * np.pi, (n, 1))
        if harmonic * 60 < reference.rate / 2:
            noise += strength * np.sin(2 * np.pi * harmonic * base * time + phase)
    return mixed(rows, noise.astype(np.float32), amount, reference.rate)


@_held_out(
    family=Family.REVERBERATION,
    severities=(0.2, 0.4, 0.6, 0.8, 1.0),
    mildest=0.03,
    harshest=5.0,
    unit="seconds (RT60)",
    log=True,
    reference="Polack 1988",
)
def reverb(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add the echo of a room: white noise that falls by 60 dB in this time, of energy RT60 / 0.5 s."""
    n, length = rows.shape
    samples = min(length, max(2, int(amount * reference.rate)))
    time = np.arange(samples) / reference.rate
    fall = (10 ** (-3 * time / amount)).astype(np.float32)
    tail = fall * rng.standard_normal((n, samples), dtype=np.float32)
    energy = (tail**2).sum(axis=1, keepdims=True)
    tail *= np.sqrt(amount / _EVEN_REVERBERATION / np.maximum(energy, 1e-12))
    dry = np.nan_to_num(rows)
    wet = dry + signal.fftconvolve(dry, tail, axes=1)[:, :length]
    before, after = ((x.astype(np.float64) ** 2).sum(axis=1, keepdims=True) for x in (dry, wet))
    loudness = np.sqrt(before / np.maximum(after, 1e-20))
    return np.asarray(wet * loudness, dtype=np.float32).clip(-1, 1)


@_held_out(
    family=Family.BAND_LIMIT,
    severities=(150, 200, 250, 300, 350),
    mildest=40,
    harshest=3000,
    unit="Hz",
    log=True,
)
def high_pass(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Remove what lies below this frequency (Butterworth, order 4)."""
    cutoff = min(amount, 0.45 * reference.rate)
    filters = signal.butter(4, cutoff, "highpass", fs=reference.rate, output="sos")
    return np.asarray(signal.sosfilt(filters, np.nan_to_num(rows), axis=1), dtype=np.float32).clip(-1, 1)


@_held_out(
    family=Family.MISSINGNESS,
    severities=(0.05, 0.1, 0.17, 0.25, 0.35),
    mildest=0.01,
    harshest=0.95,
    unit="fraction of 20 ms packets",
    log=True,
)
def packet_loss(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Silence packets of 20 ms at random."""
    n, length = rows.shape
    packet = max(1, round(_PACKET_SECONDS * reference.rate))
    lost = rng.random((n, -(-length // packet))) < amount
    return np.where(np.repeat(lost, packet, axis=1)[:, :length], np.float32(0), rows)


@_held_out(
    family=Family.QUANTISATION,
    severities=(9, 8, 7, 6, 5),
    mildest=14,
    harshest=1.5,
    unit="bits",
)
def bit_depth(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Round to steps of 2^(1 - bits) of full scale."""
    step = np.float32(2 ** (1 - amount))
    return np.asarray(np.rint(rows / step) * step, dtype=np.float32).clip(-1, 1)


@_held_out(
    family=Family.COMPRESSION,
    severities=(8, 6, 5, 4, 3),
    mildest=10,
    harshest=1.5,
    unit="bits",
    reference="ITU-T G.711",
)
def mu_law(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Round to this many bits on the logarithmic mu-law scale of telephony (mu = 255)."""
    step = 2 ** (1 - amount)
    code = np.sign(rows) * np.log1p(_MU * np.abs(rows)) / np.log1p(_MU)
    code = (np.rint(code / step) * step).clip(-1, 1)
    return np.asarray(np.sign(code) * np.expm1(np.abs(code) * np.log1p(_MU)) / _MU, dtype=np.float32)


@_held_out(
    family=Family.BACKGROUND,
    severities=(30, 25, 20, 15, 10),
    mildest=45,
    harshest=-15,
    unit="dB SNR",
    available=_has_clips,
)
def background_clips(rows: Floats, amount: float, rng: np.random.Generator, reference: Reference) -> Floats:
    """Add a stretch of one of the user's background clips at this signal-to-noise ratio."""
    if reference.clips is None:
        raise DataError("background_clips needs recordings: give Reference(clips=...)")
    return mixed(rows, drawn_clips(reference.clips, rows.shape[0], rows.shape[1], rng), amount, reference.rate)
