"""Sound files: whatever libsndfile decodes becomes mono float32 at one rate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from autonoise.array_files import check_unfolded
from autonoise.data.audio import DEFAULT_RATE, from_array
from autonoise.data.notes import Notes
from autonoise.errors import DataError, MissingExtraError
from autonoise.types import Array

SUFFIXES = frozenset({
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64",
    ".rf64",
})  # fmt: skip

MAX_FILTER = 10_000_000
"""Numbers in the filter that resamples sound: the product of both rates without their common divisor (70,560 from
44,100 to 16,000 Hz)."""
LENGTH_QUANTILE = 0.99
"""Share of the training clips that keep their whole length: one recording left running would make all rows as long."""


def read_files(
    files: Sequence[Path], notes: Notes, *, train: Array | None = None, like: float | None = None
) -> tuple[Array, int, float | None]:
    """Read sound files as mono at one rate: (rows, sample rate in Hz, None, as files know their own full scale).

    The rate is the lowest one of the training files, at most 16 kHz; files of another rate are resampled. Clips longer
    than the 99th percentile of the training clips are cut to it. Both are told. ``train`` (N,) marks the training
    files, None: all are. Raises MissingExtraError without soundfile, DataError on an unreadable or empty file.
    """
    try:
        import soundfile
    except (ImportError, OSError) as e:  # OSError: the package is there, its C library is not
        raise MissingExtraError.of("soundfile", "audio", "reading sound files") from e

    clips: list[tuple[Array, int]] = []
    stereo = 0
    for file in files:
        try:
            with soundfile.SoundFile(str(file)) as opened:
                rate = opened.samplerate
                check_unfolded(4 * opened.frames * opened.channels, file, DataError)
                wave = opened.read(dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError, ValueError, TypeError, RuntimeError) as e:
            raise DataError(f"{file}: unreadable sound file ({str(e).splitlines()[0]}): remove or replace it") from e
        if not len(wave):
            raise DataError(f"{file}: a sound file without samples: remove it")
        if not np.isfinite(wave).all() or np.abs(wave).max() > 1.5:
            raise DataError(f"{file}: samples must lie in -1..1, but some do not: divide them by their full scale")
        stereo += wave.shape[1] > 1
        clips.append((wave.mean(axis=1), int(rate)))
    if stereo:
        notes.tell(f"{stereo} clips of several channels are mixed down to their mean")
    rates = Counter(rate for _, rate in clips)
    trained = np.ones(len(files), dtype=bool) if train is None else train
    target = min(DEFAULT_RATE, *(rate for (_, rate), t in zip(clips, trained, strict=True) if t))
    if set(rates) != {target}:
        found = ", ".join(f"{n} of {rate} Hz" for rate, n in sorted(rates.items()))
        notes.tell(f"clips resampled to {target} Hz (found {found})", guess=len(rates) > 1)
    waves = [_resample(wave, rate, target) for wave, rate in clips]
    lengths = np.array([len(w) for w in waves])
    longest = int(np.ceil(np.quantile(lengths[trained], LENGTH_QUANTILE)))
    if lengths.max() > longest:
        notes.tell(
            f"{int((lengths > longest).sum())} clips cut to {longest / target:.2f} s, the 99th percentile of training"
        )
    x = np.full((len(waves), longest), np.nan, dtype=np.float32)
    for row, wave in zip(x, waves, strict=True):
        row[: len(wave)] = wave[:longest]
    return from_array(x, lengths=None, where=notes.where, notes=notes), target, None


def _resample(wave: Array, rate: int, target: int) -> Array:
    if rate == target:
        return wave
    common = math.gcd(rate, target)
    if (rate // common) * (target // common) > MAX_FILTER:
        raise DataError(
            f"clips of {rate} Hz cannot be resampled to {target} Hz, since the two have no simple ratio: "
            f"convert them to a usual rate, such as 16000 Hz"
        )
    import julius

    out: Array = julius.resample.resample_frac(torch.from_numpy(wave), rate, target).numpy()
    return out if len(out) else wave[:1]
