"""What the tabular corruptions share: which columns are what, and changing cells without losing the dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types as kinds

from autonoise.corruptions.base import Reference
from autonoise.errors import DataError

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Column = Callable[[pd.Series, pd.Series], pd.Series]
UNSEEN = "__unseen__"
_CATEGORICAL_KINDS = (kinds.is_bool_dtype, kinds.is_string_dtype, kinds.is_object_dtype)


def numeric_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the columns that hold numbers; booleans are categories."""
    numeric, boolean = kinds.is_numeric_dtype, kinds.is_bool_dtype
    return [c for c in frame.columns if numeric(frame[c]) and not boolean(frame[c])]


def categorical_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the string, object, category and bool columns."""
    return [
        c
        for c in frame.columns
        if isinstance(frame[c].dtype, pd.CategoricalDtype) or any(is_kind(frame[c]) for is_kind in _CATEGORICAL_KINDS)
    ]


def has_numeric(reference: Reference) -> bool:
    return bool(numeric_columns(reference.frame))


def has_two_numeric(reference: Reference) -> bool:
    return len(numeric_columns(reference.frame)) > 1


def has_categories(reference: Reference) -> bool:
    return any(len(categories(reference.frame[c])) > 1 for c in categorical_columns(reference.frame))


def has_categorical(reference: Reference) -> bool:
    return bool(categorical_columns(reference.frame))


def floats(column: pd.Series) -> Floats:
    """Numbers as float64; missing and infinite ones as NaN."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def moments(column: pd.Series) -> tuple[float, float]:
    """Mean and standard deviation of the numbers that are there; 0, 0 where there are none."""
    values = floats(column)
    values = values[~np.isnan(values)]
    return (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)


def categories(column: pd.Series) -> npt.NDArray[Any]:
    """The values that occur, in the order of their text, so that the result does not depend on row order."""
    return np.array(sorted(column.dropna().astype(object).unique(), key=str), dtype=object)


def training_column(reference: Reference, name: str) -> pd.Series:
    if name not in reference.frame.columns:
        raise DataError(f"column {name!r} is not in the training table: give both the same columns")
    return reference.frame[name]


def edit(frame: pd.DataFrame, reference: Reference, names: list[str], change: Column) -> pd.DataFrame:
    """A copy in which ``change(column, training column)`` replaces each of the named columns."""
    return replaced(frame, {name: change(frame[name], training_column(reference, name)) for name in names})


def replaced(frame: pd.DataFrame, columns: dict[str, pd.Series]) -> pd.DataFrame:
    """A copy with these columns in place of the old ones; names need not be strings."""
    out = frame.copy()
    for name, column in columns.items():
        out[name] = column
    return out


def put(column: pd.Series, where: Mask, values: npt.ArrayLike) -> pd.Series:
    """A copy of the column with ``values`` (N,) in the rows that the mask marks; it keeps its dtype if they fit it."""
    if not where.any():
        return column.copy()
    cells = column.astype(object).to_numpy(copy=True)
    cells[where] = np.asarray(values, dtype=object)[where]
    return _as_dtype(pd.Series(cells, index=column.index, name=column.name, dtype=object), column.dtype)


def _as_dtype(cells: pd.Series, dtype: Any) -> pd.Series:
    missing = cells.isna()
    if isinstance(dtype, pd.CategoricalDtype):
        new = [v for v in cells[~missing].unique() if v not in dtype.categories]
        wider = pd.CategoricalDtype([*dtype.categories, *new], ordered=dtype.ordered)
        return cells.astype(wider)
    if kinds.is_bool_dtype(dtype) and (missing.any() or UNSEEN in set(cells)):
        return cells
    if kinds.is_numeric_dtype(dtype) and not kinds.is_bool_dtype(dtype):
        numbers = cells.where(~missing, np.nan).astype(np.float64)
        whole = kinds.is_integer_dtype(dtype) and not missing.any() and bool((numbers % 1 == 0).all())
        small = bool((numbers.abs() < 2**53).all())
        return numbers.astype(dtype) if (whole and small) or kinds.is_float_dtype(dtype) else numbers
    return cells.astype(dtype)
