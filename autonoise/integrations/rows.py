"""The X of scikit-learn (a table, strings, or arrays of anything else) as one batch, and noisy rows as an X again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autonoise.batches import batch_adapter
from autonoise.batches.columns import infer_columns
from autonoise.errors import DataError
from autonoise.types import Array, DataType, InputSpec, Scale

NO_BINARY = 2.0
"""Stands in for the values of columns that are not 0/1 where groups of one-hot columns are looked for."""
ROUNDING = 1e-12
"""Relative error that standardising a number in double precision and back can leave, with some room."""


@dataclass(frozen=True)
class Rows:
    """An X, opened.

    Attributes:
        batch: all rows; float64 for a table, with flag columns behind those of X.
        spec: what the columns of the batch are.
        back: makes an X, of the same kind and dtypes, of changed rows (n, ...) and the numbers (n,) of the rows of X
            that they were.
    """

    batch: Tensor
    spec: InputSpec
    back: Callable[[Tensor, Array], Any]


@dataclass
class _Column:
    """One column of a table: its numbers in the batch, and how they become values again.

    Attributes:
        kind: ``numeric``; ``category``: codes from 1 on, 0 for missing; ``binary``: 0/1, perhaps one of a one-hot
            group; ``fixed``: never changed (dates, a single value).
        missing: whether values are missing in X.
        back: turns the batch's numbers, after missing values were put in as NaN (numeric) or 0 (category), into values.
    """

    kind: str
    numbers: Array
    missing: bool
    back: Callable[[Array], Any]
    mode: int = field(default=1)


def is_frame(X: Any) -> bool:
    """Whether X is a pandas DataFrame; asked without importing pandas."""
    return hasattr(X, "iloc") and hasattr(X, "dtypes") and hasattr(X, "columns")


def table_rows(X: Any) -> Rows:
    """A pandas DataFrame or an array (N, D) as a batch. Raises DataError for values that no noise is defined on.

    Numbers are standardised by their own mean and standard deviation. Strings, categories, bools and columns of two
    values are categories, runs of 0/1 columns of which one at most is set are one-hot groups. A value that noise makes
    missing becomes missing where the column has missing values, and elsewhere the mean, or the most frequent category.
    """
    columns = [_of_series(X.iloc[:, j]) for j in range(X.shape[1])] if is_frame(X) else _of_array(X)
    binary = [j for j, c in enumerate(columns) if c.kind == "binary"]
    probe = torch.full((len(X), len(columns)), NO_BINARY, dtype=torch.float64)
    for j in binary:
        probe[:, j] = torch.from_numpy(columns[j].numbers)
    plain = InputSpec(data_type=DataType.TABULAR, layout=())
    groups = [g for g in infer_columns(probe, plain).onehot if len(g) > 1] if binary and len(X) else []
    for j in set(binary) - {c for g in groups for c in g}:
        columns[j] = _as_category(columns[j])
    numeric = [j for j, c in enumerate(columns) if c.kind == "numeric"]
    flagged = [j for j in numeric if columns[j].missing]
    width = len(columns) + len(flagged)
    values = np.empty((len(X), width))
    for j, column in enumerate(columns):
        values[:, j] = column.numbers
    values[:, len(columns) :] = np.isnan(values[:, flagged])
    with np.errstate(invalid="ignore"):
        mean, std = np.nanmean(values[:, numeric], 0), np.nanstd(values[:, numeric], 0)
    spec = replace(
        plain,
        layout=(width,),
        scale=Scale.UNIT,
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        numeric=tuple(numeric),
        onehot=tuple(groups),
        codes=tuple(j for j, c in enumerate(columns) if c.kind == "category"),
        flags=tuple((len(columns) + i, j) for i, j in enumerate(flagged)),
    )
    return Rows(torch.from_numpy(values), spec, lambda out, index: _table(X, columns, flagged, out.numpy(), index))


def string_rows(X: Any) -> list[str]:
    """The strings of X. Raises DataError for anything else."""
    texts = [t for t in X] if not is_frame(X) else []  # noqa: C416 - a Series gives its values one by one
    if not texts or not all(isinstance(t, str) for t in texts):
        raise DataError("a policy for text takes X as a list, array or Series of strings: put it before the vectorizer")
    return texts


def array_rows(X: Any, data_type: DataType, known: InputSpec | None, given: InputSpec | None) -> Rows:
    """Images, series or clips, an array (N, ...), or (N, values) where the description says the layout of a row.

    ``known``: the policy's description; ``given``: the user's. Raises DataError or AttachError.
    """
    values = np.asarray(X)
    if values.dtype.kind not in "fiub" or values.ndim < 2:
        raise DataError(
            f"a policy for {data_type} data takes X as an array of numbers (N, ...), but got {values.dtype}"
        )
    adapter, spec = batch_adapter(data_type), given or known or InputSpec(data_type=data_type, layout=())
    shape: tuple[int, ...] = values.shape
    if len(spec.layout) > 1 and values.ndim == 2 and math.prod(spec.layout) == shape[1]:
        shape = (len(values), *spec.layout)
    whole = values.dtype.kind != "f" and not (values.dtype == np.uint8 and adapter.eight_bit)
    batch = torch.from_numpy(np.array(values, dtype=np.float64 if whole else None)).reshape(shape)
    spec = adapter.check(batch, spec, explicit=given is not None)

    def back(out: Tensor, index: Array) -> Array:
        array = out.reshape(-1, *values.shape[1:]).numpy()
        return (np.rint(array) if whole else array).astype(values.dtype)

    return Rows(batch, spec, back)


def _of_array(X: Array) -> list[_Column]:
    if X.dtype.kind == "O":
        import pandas as pd

        frame = pd.DataFrame(X).infer_objects()
        return [_of_series(frame.iloc[:, j]) for j in range(frame.shape[1])]
    if X.dtype.kind in "US":
        raise DataError("X is an array of strings: give a DataFrame, or an array of dtype object")
    return [_of_numbers(X[:, j].astype(np.float64), X.dtype) for j in range(X.shape[1])]


def _of_numbers(numbers: Array, dtype: Any) -> _Column:
    """A column of numbers, NaN where missing, of a numpy dtype."""
    whole = getattr(dtype, "kind", "f") in "iub"

    def back(values: Array) -> Array:
        if not whole:
            return values
        if dtype.kind != "b":
            values = np.clip(values, np.iinfo(dtype).min, np.iinfo(dtype).max)
        return np.rint(values).astype(dtype)

    return _kind_of(numbers, back)


def _kind_of(numbers: Array, back: Callable[[Array], Any]) -> _Column:
    if np.isinf(numbers).any():
        raise DataError("X holds infinite values: clean the data first")
    missing = np.isnan(numbers)
    distinct = np.unique(numbers[~missing])
    if len(distinct) < 2:
        return _Column("fixed", numbers, bool(missing.any()), back)
    if len(distinct) == 2:
        column = _Column("binary", numbers, bool(missing.any()), back)
        return column if not missing.any() and tuple(distinct) == (0, 1) else _as_category(column)
    return _Column("numeric", numbers, bool(missing.any()), lambda values: back(_snapped(values, distinct)))


def _snapped(values: Array, known: Array) -> Array:
    """Values, each put on the value of ``known``, sorted, that it misses by rounding alone.

    Standardising and back leaves the last bits of a value that came from another row different, and a tree would take
    it for a new one.
    """
    right = np.searchsorted(known, values).clip(1, len(known) - 1)
    near = np.where(values - known[right - 1] < known[right] - values, known[right - 1], known[right])
    return np.where(np.abs(values - near) <= ROUNDING * max(known.std(), np.abs(known).max()), near, values)


def _as_category(column: _Column) -> _Column:
    """A column of few numbers as codes: 1 for the smallest value, and so on; 0 for missing."""
    values = np.unique(column.numbers[~np.isnan(column.numbers)])
    codes = np.where(np.isnan(column.numbers), 0.0, np.searchsorted(values, column.numbers) + 1.0)
    padded = np.concatenate([[np.nan], values])
    return _category(codes, column.missing, lambda c: column.back(padded[c.astype(np.int64)]))


def _category(codes: Array, missing: bool, back: Callable[[Array], Any]) -> _Column:
    counts = np.bincount(codes.astype(np.int64))[1:]
    return _Column("category", codes.astype(np.float64), missing, back, mode=int(counts.argmax()) + 1)


def _of_series(column: Any) -> _Column:
    """A column of a DataFrame."""
    import pandas as pd

    dtype, kinds = column.dtype, pd.api.types
    if kinds.is_datetime64_any_dtype(dtype) or kinds.is_timedelta64_dtype(dtype):
        days = np.zeros(len(column))
        return _Column("fixed", days, bool(column.isna().any()), lambda _: None)
    if isinstance(dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy() + 1
        if not codes.any():
            return _Column("fixed", np.zeros(len(column)), True, lambda _: None)
        made = lambda c: pd.Categorical.from_codes(c.astype(np.int64) - 1, dtype=dtype)  # noqa: E731
        return _category(codes, bool((codes == 0).any()), made)
    if kinds.is_numeric_dtype(dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if isinstance(dtype, np.dtype):
            return _of_numbers(numbers, dtype)
        whole = kinds.is_integer_dtype(dtype) or kinds.is_bool_dtype(dtype)
        return _kind_of(numbers, lambda v: pd.Series(np.rint(v) if whole else v).astype(dtype).array)
    codes, values = pd.factorize(column, use_na_sentinel=True)
    if not len(values):
        return _Column("fixed", np.zeros(len(column)), True, lambda _: None)
    taken = lambda c: pd.Series(values).reindex(c.astype(np.int64) - 1).astype(dtype).array  # noqa: E731
    return _category(codes + 1, bool((codes < 0).any()), taken)


def _table(X: Any, columns: list[_Column], flagged: list[int], out: Array, index: Array) -> Any:
    """Changed rows, ``out`` (n, D + flags), as a table like X; row i was row ``index[i]`` of X."""
    flag_of = {j: out[:, len(columns) + i] > 0.5 for i, j in enumerate(flagged)}
    made: list[Any] = []
    for j, column in enumerate(columns):
        values = out[:, j]
        if column.kind == "fixed":
            made.append(X.iloc[index, j].array if is_frame(X) else X[index, j])
            continue
        if j in flag_of:
            values = np.where(flag_of[j], np.nan, values)
        if column.kind == "category":
            values = np.rint(values)
            values = values if column.missing else np.where(values == 0, column.mode, values)
        made.append(column.back(values))
    if not is_frame(X):
        return np.stack([np.asarray(c, dtype=X.dtype) for c in made], axis=1)
    import pandas as pd

    frame = pd.DataFrame({j: pd.Series(v, dtype=X.dtypes.iloc[j]) for j, v in enumerate(made)})
    return frame.set_axis(X.columns, axis=1)
