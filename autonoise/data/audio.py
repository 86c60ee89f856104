"""Sound: float32 rows (N, T) in -1..1 from arrays or files, NaN after a clip's end, and their preparation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autonoise.data.base import Array, Dataset, Rows, pad_beyond, refuse_infinite, row_lengths
from autonoise.data.notes import Notes
from autonoise.errors import DataError, MissingExtraError
from autonoise.types import Batch, DataType, InputSpec, Scale

SUFFIXES = frozenset({".wav", ".flac", ".ogg"})
DEFAULT_RATE = 16_000
_log = logging.getLogger(__name__)


def from_array(
    array: Array, *, lengths: Array | None, where: str, notes: Notes | None = None, train: Array | None = None
) -> Array:
    """float32 (N, T) in -1..1 from int16 or float (N, T) or (N, 1, T), or DataError."""
    if array.ndim == 3 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 2 or not (array.dtype == np.int16 or array.dtype.kind == "f"):
        raise DataError(
            f"{where}: audio must be int16 or float of shape (n, samples), but got {array.dtype} "
            f"{array.shape}: "
            "store mono waveforms"
        )
    refuse_infinite(array, where)
    x = array.astype(np.float32)
    if array.dtype == np.int16:
        x /= 32768.0
    peak = float(np.nanmax(np.abs(x), initial=0.0))
    if peak > 1.5:
        raise DataError(f"{where}: audio must lie in -1..1, but reaches {peak:g}: divide it by its full scale")
    x = pad_beyond(np.clip(x, -1.0, 1.0), lengths, where)
    inside = np.isnan(x) & (np.arange(x.shape[1]) < row_lengths(x)[:, None])
    if inside.any():
        raise DataError(
            f"{where}: missing sample inside clip {int(inside.any(axis=1).argmax())}: NaN may only follow the end"
        )
    return x


def read_files(files: Sequence[Path], where: str) -> tuple[Array, int]:
    """Read sound files as mono at one rate: (rows, rate).

    The rate is the lowest one found, at most 16 kHz. Clips longer than the 99th percentile are cut to it,
    which is logged. Raises MissingExtraError without soundfile, DataError on an unreadable or empty file.
    """
    try:
        import soundfile
    except ImportError as e:
        raise MissingExtraError.of("soundfile", "audio", "reading sound files") from e

    clips: list[tuple[Array, int]] = []
    for file in files:
        try:
            wave, rate = soundfile.read(str(file), dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError, ValueError, TypeError) as e:
            raise DataError(f"{file}: unreadable sound file ({str(e).splitlines()[0]}): remove or replace it") from e
        if not len(wave):
            raise DataError(f"{file}: a sound file without samples: remove it")
        clips.append((wave.mean(axis=1), int(rate)))
    target = min(DEFAULT_RATE, *(rate for _, rate in clips))
    if any(rate != target for _, rate in clips):
        _log.info("%s: clips resampled to %d Hz", where, target)
    waves = [_resample(wave, rate, target) for wave, rate in clips]
    lengths = np.array([len(w) for w in waves])
    longest = int(np.ceil(np.quantile(lengths, 0.99)))
    if lengths.max() > longest:
        _log.info("%s: %d clips cut to %.2f s", where, int((lengths > longest).sum()), longest / target)
    x = np.full((len(waves), longest), np.nan, dtype=np.float32)
    for row, wave in zip(x, waves, strict=True):
        row[: len(wave)] = wave[:longest]
    return from_array(x, lengths=None, where=where), target


def _resample(wave: Array, rate: int, target: int) -> Array:
    if rate == target:
        return wave
    import julius

    out: Array = julius.resample.resample_frac(torch.from_numpy(wave), rate, target).numpy()
    return out if len(out) else wave[:1]


@dataclass(frozen=True)
class AudioPreparation:
    """float32 (N, T) → the tensor (N, T), or ``{"waveform", "lengths"}`` if clips differ in length."""

    spec: InputSpec
    ragged: bool

    def __call__(self, rows: Rows) -> Batch:
        x = np.asarray(rows, dtype=np.float32)
        waveform = torch.from_numpy(np.nan_to_num(x, nan=0.0))
        if not self.ragged:
            return waveform
        return {"waveform": waveform, "lengths": torch.from_numpy(np.maximum(row_lengths(x), 1))}

    def state(self) -> dict[str, Any]:
        return {"ragged": self.ragged, "sample_rate": self.spec.sample_rate, "layout": list(self.spec.layout)}


def prepare(dataset: Dataset, train: Array) -> AudioPreparation:
    """Nothing is measured: waveforms stay in -1..1; ``train`` is not looked at."""
    x = np.asarray(dataset.x)
    spec = InputSpec(
        data_type=DataType.AUDIO,
        layout=(x.shape[1],),
        classes=dataset.classes,
        scale=Scale.UNIT,
        sample_rate=dataset.sample_rate or DEFAULT_RATE,
    )
    return AudioPreparation(spec, ragged=bool(np.isnan(x[:, -1]).any()))
