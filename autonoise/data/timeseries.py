"""Time series: float32 rows (N, C, L), NaN = missing or past the end, and their preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from autonoise.data.base import Dataset, Rows, pad_beyond, refuse_infinite, row_lengths, take
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array, Batch, DataType, InputSpec, Scale


def from_array(
    array: Array, *, lengths: Array | None, where: str, notes: Notes | None = None, train: Array | None = None
) -> Array:
    """float32 (N, C, L) from numbers (N, C, L), or (N, L) for one channel, or DataError."""
    if array.ndim == 2:
        array = array[:, None]
    if array.ndim != 3 or array.dtype.kind not in "iuf":
        raise DataError(f"{where}: series must be numbers of shape (n, channels, length), but got {array.shape}")
    channels, length = array.shape[1:]
    if notes is not None and channels > length > 0:
        notes.tell(
            f"series are taken as {channels} channels of {length} step{'' if length == 1 else 's'}: if the last axis "
            f"holds the channels, transpose it to (rows, channels, steps)",
            guess=True,
        )
    x = array.astype(np.float32)
    refuse_infinite(x, where)
    return pad_beyond(x, lengths, where)


def from_frame(frame: pd.DataFrame, where: str) -> Array:
    """One univariate series per row of a table of numbers, its columns in the order of time."""
    bad = [str(c) for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
    if bad:
        raise DataError(f"{where}: a table of series must hold numbers only, but column {bad[0]!r} does not: remove it")
    return from_array(frame.to_numpy(dtype=np.float64, na_value=np.nan), lengths=None, where=where)


@dataclass(frozen=True)
class SeriesPreparation:
    """Standardised float32 (N, C, L), or ``{"series", "lengths"}`` zero-padded where rows differ in length.

    z = (x - mean) / std per channel; missing steps take the last value seen, those before the first value 0.
    """

    spec: InputSpec
    ragged: bool

    def __call__(self, rows: Rows) -> Batch:
        x = np.asarray(rows, dtype=np.float32)
        mean, std = (np.array(v, dtype=np.float32)[:, None] for v in (self.spec.mean, self.spec.std))
        lengths = np.maximum(row_lengths(x), 1)
        z = _fill_forward((x - mean) / std)
        if not self.ragged:
            return torch.from_numpy(z)
        z[np.broadcast_to(np.arange(z.shape[2]) >= lengths[:, None, None], z.shape)] = 0.0
        return {"series": torch.from_numpy(z), "lengths": torch.from_numpy(lengths)}

    def state(self) -> dict[str, Any]:
        return {
            "ragged": self.ragged,
            "layout": list(self.spec.layout),
            "mean": list(self.spec.mean),
            "std": list(self.spec.std),
        }


def prepare(dataset: Dataset, train: Array) -> SeriesPreparation:
    """Measure mean and standard deviation of each channel over the training values that are not missing.

    Whether a batch holds lengths, and how many steps it has, follows from all rows, since all are stored in one array
    and fed to one model: with training rows of full length alone, a shorter test row could not say where it ends.
    No number that a value is changed by comes from the test rows.
    """
    x = np.asarray(dataset.x)
    mean, std = column_statistics(np.asarray(take(dataset.x, train)).transpose(0, 2, 1).reshape(-1, x.shape[1]))
    spec = InputSpec(
        data_type=DataType.TIMESERIES,
        layout=(x.shape[1], x.shape[2]),
        classes=dataset.classes,
        scale=Scale.STANDARDISED,
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
    )
    return SeriesPreparation(spec, ragged=bool((row_lengths(x) < x.shape[2]).any()))


def column_statistics(values: Array) -> tuple[Array, Array]:
    """Mean and population standard deviation of each column of (N, D), NaN ignored; else 0 and 1."""
    present = ~np.isnan(values)
    n = np.maximum(present.sum(axis=0), 1)
    filled = np.where(present, values, 0.0).astype(np.float64)
    mean = filled.sum(axis=0) / n
    std = np.sqrt((np.where(present, filled - mean, 0.0) ** 2).sum(axis=0) / n)
    return mean, np.where(std > 1e-8 * np.maximum(np.abs(mean), 1e-4), std, 1.0)


def _fill_forward(z: Array) -> Array:
    missing = np.isnan(z)
    if not missing.any():
        return z
    last = np.maximum.accumulate(np.where(missing, 0, np.arange(z.shape[-1])), axis=-1)
    out: Array = np.nan_to_num(np.take_along_axis(z, last, axis=-1), nan=0.0)
    return out
