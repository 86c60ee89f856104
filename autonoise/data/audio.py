"""Sound: float32 rows (N, T) in -1..1 from arrays or files, NaN after a clip's end, and their preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autonoise.data.base import Dataset, Rows, pad_beyond, refuse_infinite, row_lengths
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array, Batch, DataType, InputSpec, Scale

DEFAULT_RATE = 16_000
"""Samples per second (Hz): assumed where an array comes without a rate, and the most that files are read at."""


def from_array(
    array: Array,
    *,
    lengths: Array | None,
    where: str,
    notes: Notes | None = None,
    train: Array | None = None,
    full_scale: float | None = None,
) -> Array:
    """float32 (N, T) in -1..1 from whole numbers or floats (N, T), (N, channels, T) or (N, T, channels), or DataError.

    One or two channels, mixed down by their mean. Whole numbers are divided by the full scale of their type, unsigned
    ones lie around its middle (128 for uint8); ``full_scale`` says otherwise. Floats must lie in -1..1.
    """
    notes = Notes(where) if notes is None else notes
    axis = channel_axis(array.shape)
    if (array.ndim != 2 and axis is None) or array.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: audio must be whole numbers or floats of shape (n, samples), or with one or two channels beside "
            f"the samples, but got {array.dtype} {array.shape}: store mono waveforms"
        )
    refuse_infinite(array, where)
    x = _in_unit(array, where, notes, full_scale)
    if axis is not None:
        if x.shape[axis] == 2:
            notes.tell("stereo is mixed down to the mean of both channels")
        x = x.mean(axis=axis)
    beyond = int((np.abs(x) > 1.0).sum())
    if beyond:
        notes.tell(f"{beyond} samples above full scale are clipped to -1..1")
    x = pad_beyond(np.clip(x, -1.0, 1.0), lengths, where)
    inside = np.isnan(x) & (np.arange(x.shape[1]) < row_lengths(x)[:, None])
    if inside.any():
        raise DataError(
            f"{where}: missing sample inside clip {int(inside.any(axis=1).argmax())}: NaN may only follow the end"
        )
    return x


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """Which axis of (N, a, b) counts one or two channels of sound, or None: time is the longer one."""
    if len(shape) != 3:
        return None
    return next((axis for axis in (1, 2) if shape[axis] in (1, 2) and shape[3 - axis] > 2), None)


def find_full_scale(array: Array, where: str, notes: Notes, like: float | None = None) -> float:
    """The whole number that means full scale: that of the type up to 16 bits, else of the bits that are used.

    ``like``: full scale of the data set that these rows are a further part of.
    """
    unsigned, bits = array.dtype.kind == "u", 8 * array.dtype.itemsize
    if bits <= 16:
        if unsigned:
            notes.tell(f"{array.dtype} samples are read as lying around {2 ** (bits - 1)}")
        return 2.0 ** (bits - 1)
    peak = float(np.abs(array.astype(np.float64)).max(initial=0.0))
    used = next((b for b in (16, 24, 32) if peak <= 2.0 ** (b - 1)), None)
    if used is None or unsigned:
        raise DataError(f"{where}: {array.dtype} samples up to {peak:g} fit no full scale: store -1..1 or int16")
    full = max(2.0 ** (used - 1), like or 0.0)
    if full != 2.0 ** (bits - 1):
        notes.tell(f"{array.dtype} samples peak at {peak:g}: divided by {full:.0f}", guess=True)
    return full


def _in_unit(array: Array, where: str, notes: Notes, full_scale: float | None) -> Array:
    """float32 of the same shape, full scale = 1; whole numbers of more than 16 bits by the bits that they use."""
    kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
    if kind == "f":
        x = array.astype(np.float32) / np.float32(full_scale or 1.0)
        peak = float(np.nanmax(np.abs(x), initial=0.0))
        if peak > 1.5:
            raise DataError(f"{where}: audio must lie in -1..1, but reaches {peak:g}: divide it by its full scale")
        return x
    middle = 2 ** (bits - 1) if kind == "u" else 0
    full = full_scale or find_full_scale(array, where, notes)
    samples: Array = array.astype(np.float32 if bits <= 16 else np.float64)
    return ((samples - middle) * (1 / full)).astype(np.float32)


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
    """Nothing is measured, so ``train`` is not looked at: waveforms stay in -1..1.

    Whether a batch holds lengths follows from all rows, as in :func:`autonoise.data.timeseries.prepare`.
    """
    x = np.asarray(dataset.x)
    spec = InputSpec(
        data_type=DataType.AUDIO,
        layout=(x.shape[1],),
        classes=dataset.classes,
        scale=Scale.UNIT,
        sample_rate=dataset.sample_rate or DEFAULT_RATE,
    )
    return AudioPreparation(spec, ragged=bool(np.isnan(x[:, -1]).any()))
