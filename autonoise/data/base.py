"""The data set as every other room sees it, and what a preparation of it promises."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pandas as pd

from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array, Batch, DataType, InputSpec, member

Rows = Array | pd.DataFrame | list[str]
SIZE_LIMIT = 4 * 2**30
"""Bytes a file or a folder may hold, compressed or not, unless the caller says otherwise."""


@dataclass(frozen=True)
class LeftOut:
    """Classes that were left out because they have too few rows to be learnt and judged, and how many rows that is."""

    classes: tuple[str, ...]
    rows: int
    test_rows: int | None
    """How many of these rows belong to the official test part; None where the data have no such part."""

    def __str__(self) -> str:
        of_test = "" if self.test_rows is None else f" ({self.test_rows} of them test rows)"
        shown = ", ".join(repr(c) for c in self.classes[:6]) + (" ..." if len(self.classes) > 6 else "")
        noun = "class" if len(self.classes) == 1 else "classes"
        how_many = f"{len(self.classes)} {noun} with too few training rows left out"
        return f"{how_many}, with {self.rows} row{'' if self.rows == 1 else 's'}{of_test}: {shown}"


@dataclass(frozen=True)
class Dataset:
    """Raw rows and their labels, checked and in the form that every data type promises.

    Attributes:
        x: image uint8 (N, H, W, C), C 1 or 3; timeseries float32 (N, C, L); audio float32 (N, T) in -1..1;
            NaN beyond a row's length. Text: list of str. Tabular: frame with float64 columns (numeric) and object
            columns of str (categorical), missing = NaN.
        y: int64 (N,), 0..k-1: the labels one trains on.
        class_names: k names.
        split: (N,) of "train", "valid", "test" where the data came with a split.
        group: int64 (N,): rows of one group must not be separated.
        group_names: what the source calls the groups, in the order of their numbers.
        sample_rate: of audio, in Hz.
        clean_y: true labels where y is known to be noisy; evaluation uses these.
        left_out: classes of the source that were left out; no result on this data set says anything about them.
        full_scale: of pictures and sound, the number in the source that became 255 or 1.0; None where files differ.
        notes: short sentences on what was converted, left out or guessed while reading.
    """

    name: str
    data_type: DataType
    x: Rows
    y: Array
    class_names: tuple[str, ...]
    split: Array | None = None
    group: Array | None = None
    sample_rate: int | None = None
    clean_y: Array | None = None
    notes: tuple[str, ...] = ()
    left_out: LeftOut | None = None
    full_scale: float | None = None
    group_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_type", member(DataType, self.data_type, "data type"))
        n = count(self.x)
        for what, values in (
            ("y", self.y),
            ("split", self.split),
            ("group", self.group),
            ("clean_y", self.clean_y),
        ):
            if values is not None and values.shape != (n,):
                raise DataError(f"{self.name}: {what} has shape {values.shape} for {n} rows: give one value per row")

    def __len__(self) -> int:
        return count(self.x)

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:`` and the digest of rows, labels, split and groups; the name is not part of it."""
        h = hashlib.sha256(f"{self.data_type}|{self.sample_rate}|{'|'.join(self.class_names)}".encode())
        _hash_rows(h, self.x)
        for values in (self.y, self.split, self.group, self.clean_y):
            h.update(b"\x1dnone" if values is None else b"\x1d" + _bytes(values))
        return f"sha256:{h.hexdigest()}"


class Preparation(Protocol):
    """Fitted on training rows: turns raw rows into what a model eats, described by ``spec``."""

    @property
    def spec(self) -> InputSpec: ...

    def __call__(self, rows: Rows) -> Batch: ...

    def state(self) -> dict[str, Any]:
        """JSON-able description for the report."""
        ...


@dataclass(frozen=True)
class Request:
    """What the caller said about a source. None leaves it to be found out from the source itself."""

    data_type: DataType | None = None
    target: str | None = None
    clean_target: str | None = None
    group: str | None = None
    find_group: bool = True
    """Whether groups that the source brings along, such as a column ``speaker``, are used without being asked for."""
    text_column: str | None = None
    like: Rows | None = None
    """Rows of a table read before; a further table of the same study takes over its columns and their kinds."""
    full_scale: float | None = None
    """What is white, or full scale of sound, in the data set that this source is a further part of."""

    def refuse(self, where: str, *names: str) -> None:
        """Raise DataError if the caller gave one of the named fields, which mean nothing to this source."""
        for name in names:
            if getattr(self, name) is not None:
                raise DataError(f"{where}: this source has no columns, so {name} cannot be chosen: leave it out")


@dataclass
class Raw:
    """What a reader returns: rows in their final form, everything else as found."""

    data_type: DataType
    x: Rows
    labels: Array
    clean: Array | None = None
    split: Array | None = None
    group: Array | None = None
    class_names: tuple[str, ...] | None = None
    sample_rate: int | None = None
    notes: Notes = field(default_factory=Notes)
    full_scale: float | None = None


def count(rows: Rows) -> int:
    """How many rows."""
    return len(rows)


def take(rows: Rows, index: Array) -> Rows:
    """The rows at the given positions, in that order, as a new object."""
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[index].reset_index(drop=True)
    if isinstance(rows, list):
        return [rows[i] for i in index]
    return rows[index]


def row_lengths(x: Array) -> Array:
    """Steps (N,) before the trailing NaN of each row of (N, T) or (N, C, T)."""
    if not x.size:
        return np.zeros(len(x), dtype=np.int64)
    seen = ~np.isnan(x)
    if seen.ndim == 3:
        seen = np.any(seen, axis=1)
    length: Array = np.where(seen.any(axis=1), x.shape[-1] - seen[:, ::-1].argmax(axis=1), 0)
    return length.astype(np.int64)


def pad_beyond(x: Array, lengths: Array | None, where: str) -> Array:
    """Set what lies beyond each row's length to NaN (in place) and refuse rows without any value."""
    if lengths is not None:
        if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu":
            raise DataError(f"{where}: lengths must be one whole number per row ({len(x)}), but got {lengths.shape}")
        if len(x) and not (lengths.min() >= 1 and lengths.max() <= x.shape[-1]):
            raise DataError(f"{where}: lengths must lie in 1..{x.shape[-1]}, but got {lengths.min()}..{lengths.max()}")
        beyond = np.arange(x.shape[-1]) >= lengths[:, None]
        x[beyond if x.ndim == 2 else np.broadcast_to(beyond[:, None], x.shape)] = np.nan
    empty = np.flatnonzero(row_lengths(x) == 0)
    if len(empty):
        raise DataError(f"{where}: row {empty[0]} holds no value at all: remove such rows ({len(empty)} of them)")
    return x


def refuse_infinite(values: Array, where: str) -> None:
    """Raise DataError if a float array holds an infinite value."""
    if values.dtype.kind == "f" and np.isinf(values).any():
        row = int(np.argwhere(np.isinf(values))[0][0])
        raise DataError(f"{where}: infinite value in row {row}: replace it by a number or by a missing value")


def _hash_rows(h: Any, rows: Rows) -> None:
    if isinstance(rows, pd.DataFrame):
        for column in rows.columns:
            h.update(f"\x1e{column}".encode())
            h.update(_bytes(rows[column].to_numpy()))
    elif isinstance(rows, list):
        h.update(_bytes(np.array(rows, dtype=object)))
    else:
        h.update(_bytes(rows))


def _bytes(values: Array) -> bytes:
    if values.dtype.kind in "OUST":
        return "\x1f".join("\x00" if pd.isna(v) else str(v) for v in values).encode("utf-8", "surrogatepass")
    head = f"{values.shape}{values.dtype.kind}{values.dtype.itemsize}".encode()
    return head + np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()


def compare_form(other: Dataset, dataset: Dataset, *, what: str) -> None:
    """DataError, in one line that begins with ``what``, when rows of ``other`` would not fit a model of ``dataset``."""
    if isinstance(other.x, pd.DataFrame) and isinstance(dataset.x, pd.DataFrame):
        lost = [c for c in dataset.x.columns if c not in set(other.x.columns)]
        if lost:
            raise DataError(f"{what} lacks the column {lost[0]!r} of the training data: give the same columns")
        return
    if other.sample_rate != dataset.sample_rate:
        raise DataError(f"{what} has {other.sample_rate} Hz, the training data {dataset.sample_rate} Hz: resample it")
    fixed = {DataType.IMAGE: slice(1, None), DataType.TIMESERIES: slice(1, 2)}.get(dataset.data_type)
    if fixed is None or isinstance(other.x, list) or isinstance(dataset.x, list):
        return
    found, wanted = _form(tuple(other.x.shape)[fixed]), _form(tuple(dataset.x.shape)[fixed])
    if found != wanted:
        raise DataError(f"{what} has rows of {found}, the training data of {wanted}: give the same form")


def _form(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} channels" if len(shape) == 1 else "x".join(map(str, shape))
