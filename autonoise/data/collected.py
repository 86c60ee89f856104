"""Rows and labels gathered from objects in memory, and the conversions that all such objects share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from autonoise.data.base import Rows
from autonoise.data.checks import check_padded
from autonoise.errors import DataError
from autonoise.types import Array

LABEL = "label"
"""Name of the column of labels in a file made here."""


@dataclass
class Part:
    """Rows of one split and their labels. ``label`` is the name of the column they came from, if any."""

    rows: Rows
    labels: Array
    label: str | None = None
    beside: dict[str, Array] = field(default_factory=dict)
    """Further arrays of one value for each row, by name, such as groups and lengths."""


@dataclass
class Collected:
    """Parts by split name ("train", "valid", "test"; "" for data that are not split), and what all of them share."""

    parts: dict[str, Part]
    class_names: tuple[str, ...] | None = None
    sample_rate: int | None = None
    full_scale: float | None = None

    @property
    def rows_are_cells(self) -> bool:
        """Whether rows are strings or cells of a table rather than one array of numbers."""
        return any(isinstance(p.rows, pd.DataFrame | list) for p in self.parts.values())


def as_array(values: Any) -> Any:
    """A numpy array of numbers, a list of strings, or a frame, from what people hold.

    Tensors are taken from their device; sparse matrices become dense; rows of different lengths are filled with
    NaN at their ends. Raises DataError for anything else.
    """
    if isinstance(values, pd.DataFrame):
        return values
    if hasattr(values, "toarray"):  # scipy.sparse
        values = values.toarray()
    values = _from_tensor(values)
    if isinstance(values, pd.Series):
        values = values.to_list()
    if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
        return values
    if isinstance(values, np.ndarray) and values.dtype.kind in "OUT":
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
        raise refuse(values)
    if all(isinstance(v, str) for v in values):
        return list(values)
    rows = [np.asarray(_from_tensor(v)) for v in values]
    if any(r.dtype.kind not in "iufb" for r in rows):
        raise DataError("rows must be numbers of one shape, or strings: convert them, or give a DataFrame")
    if len({r.shape for r in rows}) == 1:
        return np.stack(rows)
    return padded(rows)


def padded(rows: Sequence[Array]) -> Array:
    """Rows (..., T) of different lengths T as one float32 array, NaN beyond the end of each."""
    heads = {r.shape[:-1] for r in rows}
    if len(heads) > 1 or not all(r.ndim for r in rows):
        raise DataError(
            f"rows of different shapes ({', '.join(str(r.shape) for r in rows[:3])} ...): only the last dimension, "
            f"the time, may differ"
        )
    longest = max(r.shape[-1] for r in rows)
    held = 4 * sum(r.size for r in rows)
    check_padded(4 * len(rows) * max(r.size for r in rows), held, "the rows")
    out = np.full((len(rows), *next(iter(heads)), longest), np.nan, dtype=np.float32)
    for i, row in enumerate(rows):
        out[i, ..., : row.shape[-1]] = row
    return out


def as_labels(values: Any) -> Array:
    """Labels (N,) as numbers or strings; a column (N, 1) is flattened. One-hot rows become class numbers."""
    values = _from_tensor(values)
    if isinstance(values, pd.Series | pd.Index):
        values = values.to_numpy()
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy()
    y = np.asarray(values)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "iufb" and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all():
        y = y.argmax(axis=1)
    return y


def _from_tensor(value: Any) -> Any:
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        value = value.detach().cpu()
        # numpy has no bfloat16
        value = (value.float() if value.is_floating_point() and value.element_size() == 2 else value).numpy()
    return value


def refuse(data: object) -> DataError:
    """The fault for an object that no reader knows."""
    return DataError(
        f"cannot read data from a {type(data).__name__}: give a path, (X, y), (X_train, y_train, X_test, y_test), a "
        f"DataFrame with target=, or a map-style Dataset of (input, label)"
    )
