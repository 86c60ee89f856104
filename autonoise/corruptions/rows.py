"""The raw rows of the five data types: checking, counting and drawing from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autonoise.errors import DataError
from autonoise.types import DataType

if TYPE_CHECKING:
    import pandas as pd

Rows: TypeAlias = "npt.NDArray[Any] | list[str] | pd.DataFrame"
"""Raw rows: image uint8 (N, H, W, C), series float32 (N, C, L), audio float32 (N, T), texts, or a table."""

_ARRAYS: dict[DataType, tuple[int, str, str]] = {
    DataType.IMAGE: (4, "uint8", "(rows, height, width, 1 or 3 channels)"),
    DataType.TIMESERIES: (3, "float32", "(rows, channels, length)"),
    DataType.AUDIO: (2, "float32", "(rows, samples)"),
}


def check_rows(data_type: DataType, rows: Rows, where: str) -> None:
    """Raise DataError unless ``rows`` are raw rows of that data type."""
    if data_type in _ARRAYS:
        ndim, dtype, shape = _ARRAYS[data_type]
        if not isinstance(rows, np.ndarray) or rows.ndim != ndim or rows.dtype != dtype:
            got = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
            raise DataError(f"{where}: {data_type} rows must be a {dtype} array {shape}, but got {got}")
        if data_type == DataType.IMAGE and rows.shape[3] not in (1, 3):
            raise DataError(f"{where}: image rows must have 1 or 3 channels, but got {rows.shape[3]}")
    elif data_type == DataType.TEXT:
        if not isinstance(rows, list) or not all(isinstance(text, str) for text in rows):
            raise DataError(f"{where}: text rows must be a list of strings, but got {type(rows).__name__}")
    elif not hasattr(rows, "columns"):
        raise DataError(f"{where}: tabular rows must be a pandas DataFrame, but got {type(rows).__name__}")
    elif not rows.columns.is_unique:
        raise DataError(f"{where}: the table has two columns of one name: rename one of them")


def count(rows: Rows) -> int:
    return len(rows)


def take(rows: Rows, index: npt.NDArray[np.intp]) -> Rows:
    """Rows by position."""
    if isinstance(rows, np.ndarray):
        return rows[index]
    if isinstance(rows, list):
        return [rows[i] for i in index]
    return rows.iloc[index]


def sample(rows: Rows, size: int, rng: np.random.Generator) -> Rows:
    """At most ``size`` rows, drawn without replacement, in their old order."""
    n = count(rows)
    return rows if n <= size else take(rows, np.sort(rng.choice(n, size, replace=False)))


def stochastic_round(values: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Round up with the probability of the fraction, so that the mean of many rounded values is exact."""
    return np.asarray(np.floor(values + rng.random(values.shape)), dtype=np.intp)
