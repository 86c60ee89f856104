"""Tables: frames of numeric and categorical columns, and their preparation to one matrix of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from autonoise.data import columns as kinds
from autonoise.data.base import Dataset, Rows, take
from autonoise.data.columns import MAX_CATEGORIES
from autonoise.data.notes import Notes
from autonoise.data.timeseries import column_statistics
from autonoise.errors import DataError
from autonoise.types import Array, Batch, DataType, InputSpec, Scale

CLIP = 10.0
"""Standardised values beyond ±10 are cut: one outlier of a skewed column would drown the rest."""


def from_array(
    array: Array, *, lengths: Array | None, where: str, notes: Notes | None = None, train: Array | None = None
) -> pd.DataFrame:
    """A frame with columns x0, x1 ... from numbers (N, D), or DataError."""
    if lengths is not None or array.ndim != 2 or array.dtype.kind not in "iufb":
        raise DataError(f"{where}: a table must be numbers of shape (n, columns), but got {array.dtype} {array.shape}")
    return from_frame(pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])]), where, notes, train)


def from_frame(
    frame: pd.DataFrame,
    where: str,
    notes: Notes | None = None,
    train: Array | None = None,
    *,
    comma: bool = False,
    like: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Numbers as float64, dates as days, the rest as object columns of str, missing NaN; or DataError.

    What a column is, and whether it is of use, is judged on the rows marked in ``train`` (N,) bool, all if not given,
    and told in ``notes``. ``like``: a table made before, whose columns and their kinds are taken over instead.
    ``comma``: read 1,882 as a decimal number where the column itself leaves it open.
    """
    notes = Notes(where) if notes is None else notes
    train = np.ones(len(frame), dtype=bool) if train is None else train
    if not len(frame.columns):
        raise DataError(f"{where}: no feature column: give at least one beside the label")
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    if not frame.columns.is_unique:
        raise DataError(f"{where}: two columns are named {frame.columns[frame.columns.duplicated()][0]!r}: rename one")
    columns: dict[str, Array] = {}
    for c in frame.columns if like is None else [c for c in like.columns if c in frame.columns]:
        wanted = None if like is None else like[c].dtype.kind == "f"
        values, done = kinds.converted(frame[c], train, where, comma=comma, like=wanted)
        reason = kinds.useless(c, values, train) if like is None else ""
        if reason:
            notes.tell(f"column {c!r} is left out: {reason}", guess=True)
            continue
        columns[c] = values
        if done:
            notes.tell(f"column {c!r}: {done}", guess=True)
    if not columns:
        raise DataError(f"{where}: no feature column is left ({'; '.join(notes)}): give others, or --data-type text")
    # dtype said, not inferred: pandas 3 would make str columns of objects, pandas 2 would not
    return pd.DataFrame({c: pd.Series(v, dtype=v.dtype) for c, v in columns.items()})


@dataclass(frozen=True)
class Category:
    """One categorical column: the values with a one-hot column, in order, and whether missing has one too."""

    name: str
    values: tuple[str, ...]
    missing: bool

    @property
    def width(self) -> int:
        return len(self.values) + self.missing


@dataclass(frozen=True)
class TablePreparation:
    """Frame → float32 (N, D): standardised numbers, then one-hot groups, then flags of missing numbers.

    Numbers: clip((x - mean) / std, -10, 10), missing = 0. Unknown categories are all zero, and so is a
    missing one unless training had some. A flag is 1 where its number was missing.
    """

    spec: InputSpec
    numeric: tuple[str, ...]
    categories: tuple[Category, ...]
    flagged: tuple[str, ...]

    def __call__(self, rows: Rows) -> Batch:
        assert isinstance(rows, pd.DataFrame)
        absent = [c for c in (*self.numeric, *(k.name for k in self.categories)) if c not in rows.columns]
        if absent:
            raise DataError(f"the table has no column {absent[0]!r}, which training rows had: give all columns")
        numbers = _numbers(rows, self.numeric)
        z = (numbers - np.array(self.spec.mean)) / np.array(self.spec.std)
        parts = [np.nan_to_num(np.clip(z, -CLIP, CLIP), nan=0.0)]
        parts += [_one_hot(rows[k.name], k) for k in self.categories]
        parts += [np.isnan(numbers[:, [self.numeric.index(c) for c in self.flagged]])]
        return torch.from_numpy(np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe"))

    def state(self) -> dict[str, Any]:
        return {
            "numeric": list(self.numeric),
            "mean": list(self.spec.mean),
            "std": list(self.spec.std),
            "categorical": {k.name: {"values": list(k.values), "missing": k.missing} for k in self.categories},
            "missing_flags": list(self.flagged),
        }


def prepare(dataset: Dataset, train: Array) -> TablePreparation:
    """Measure the numeric columns and list the (at most 50 most frequent) categories of the training rows."""
    frame = take(dataset.x, train)
    assert isinstance(frame, pd.DataFrame)
    numeric = tuple(c for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c].dtype))
    numbers = _numbers(frame, numeric)
    mean, std = column_statistics(numbers)
    categories = tuple(_category(frame[c]) for c in frame.columns if c not in numeric)
    flagged = tuple(c for j, c in enumerate(numeric) if np.isnan(numbers[:, j]).any())

    starts = np.cumsum([len(numeric), *(k.width for k in categories)]).tolist()
    onehot = tuple(tuple(range(a, a + k.width)) for a, k in zip(starts, categories, strict=False))
    flags = tuple((starts[-1] + i, numeric.index(c)) for i, c in enumerate(flagged))
    spec = InputSpec(
        data_type=DataType.TABULAR,
        layout=(starts[-1] + len(flagged),),
        classes=dataset.classes,
        scale=Scale.STANDARDISED,
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        numeric=tuple(range(len(numeric))),
        onehot=onehot,
        flags=flags,
        names=_names(numeric, categories, flagged),
    )
    return TablePreparation(spec, numeric, categories, flagged)


def _names(numeric: Sequence[str], categories: Sequence[Category], flagged: Sequence[str]) -> tuple[str, ...]:
    """``age``, ``colour=red``, ``age is missing``; none where two columns would have the same."""
    names = list(numeric)
    for k in categories:
        names += [f"{k.name}={v}" for v in k.values] + ([f"{k.name} is missing"] if k.missing else [])
    names += [f"{c} is missing" for c in flagged]
    return tuple(names) if len(set(names)) == len(names) else ()


def _numbers(frame: pd.DataFrame, columns: Sequence[str]) -> Array:
    """(N, columns) float64; what is not a number (any more) is missing."""
    out = np.empty((len(frame), len(columns)))
    for j, c in enumerate(columns):
        out[:, j] = pd.to_numeric(frame[c], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return out


def _category(values: pd.Series[Any]) -> Category:
    present = values.dropna().astype(str)
    counts = sorted(present.value_counts().items(), key=lambda item: (-item[1], str(item[0])))
    return Category(str(values.name), tuple(str(v) for v, _ in counts[:MAX_CATEGORIES]), bool(values.isna().any()))


def _one_hot(values: pd.Series[Any], category: Category) -> Array:
    missing = values.isna().to_numpy(dtype=bool)
    place = {v: i for i, v in enumerate(category.values)}
    hot = np.zeros((len(values), category.width), dtype=np.float32)
    codes = np.array(
        [-1 if gone else place.get(str(v), -1) for v, gone in zip(values.tolist(), missing, strict=True)],
        dtype=np.int64,
    )
    known = np.flatnonzero(codes >= 0)
    hot[known, codes[known]] = 1.0
    if category.missing:
        hot[missing, -1] = 1.0
    return hot
