"""CSV, Parquet and JSON-lines files: which column is what, and whether the rest is text or a table."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from autonoise.data import text
from autonoise.data.base import Array, Raw, Request, Rows
from autonoise.data.readers import module_of, split_names, suffix_of
from autonoise.errors import DataError
from autonoise.types import DataType

LABEL_NAMES = frozenset({"label", "target", "class", "y"})
_MISSING = ["", " ", "?", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>", "#N/A"]


def read(path: Path, request: Request, max_bytes: int) -> Raw:
    """Read a table with a header: label column, optional split and group columns, the rest features."""
    where, suffix = str(path), suffix_of(path)
    if suffix in (".csv", ".tsv"):
        header, separator = _header(path)
        label = _label(header, request, where)
        frame = _read_csv(path, separator, header, (label, request.clean_target))
    else:
        frame = (
            pd.read_parquet(path)
            if suffix == ".parquet"
            else pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8")
        )
        label = _label([str(c) for c in frame.columns], request, where)
    if not len(frame):
        raise DataError(f"{where}: a header but no rows: give a file with data in it")

    special = {label, request.clean_target, request.group}
    for name in special - {None}:
        if name not in frame.columns:
            raise DataError(f"{where}: no column {name!r} (columns: {', '.join(map(str, frame.columns))})")
    split = next((c for c in frame.columns if str(c).lower() == "split" and c not in special), None)
    features = [c for c in frame.columns if c not in special and c != split]
    x, data_type = frame[features], request.data_type
    if data_type is None:
        data_type = DataType.TEXT if text.looks_like(x) else DataType.TABULAR
    if data_type is DataType.TEXT and suffix in (".csv", ".tsv"):
        # "NA" and "null" are words of a text
        x = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", usecols=features)[
            features
        ]
    return Raw(
        data_type,
        _rows(x, data_type, where),
        _values(frame, label),
        clean=_values(frame, request.clean_target) if request.clean_target else None,
        group=_values(frame, request.group) if request.group else None,
        split=None if split is None else split_names(_values(frame, split), where),
    )


def _rows(x: pd.DataFrame, data_type: DataType, where: str) -> Rows:
    module = module_of(data_type)
    if not hasattr(module, "from_frame"):
        raise DataError(
            f"{where}: a table cannot hold {data_type} data: give .npz or a folder with one folder per class"
        )
    rows: Rows = module.from_frame(x, where)
    return rows


def _values(frame: pd.DataFrame, column: str) -> Array:
    values = frame[column]
    if pd.api.types.is_bool_dtype(values.dtype) or not pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=object)
    return values.to_numpy(dtype=np.float64, na_value=np.nan) if values.isna().any() else values.to_numpy()


def _header(path: Path) -> tuple[list[str], str]:
    """Column names and the separator (comma, semicolon or tab, whichever the first line has most of)."""
    with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
        line = file.readline(1_000_000).decode("utf-8-sig")
    separator = max(",;\t", key=line.count)
    names = pd.read_csv(path, sep=separator, nrows=0, encoding="utf-8-sig", index_col=False).columns
    return [str(c) for c in names], separator


def _label(columns: Sequence[str], request: Request, where: str) -> str:
    if request.target is not None:
        return request.target
    named = [c for c in columns if c.lower() in LABEL_NAMES and c not in (request.clean_target, request.group)]
    if len(named) != 1:
        found = "several of" if named else "none of"
        raise DataError(
            f"{where}: no label column: found {found} label, target, class, y (columns: "
            f"{', '.join(columns)}): "
            "name it with --target"
        )
    return named[0]


def _read_csv(path: Path, separator: str, columns: Sequence[str], labels: Sequence[str | None]) -> pd.DataFrame:
    # "NA" may be the name of a class
    missing = {c: [""] if c in labels else _MISSING for c in columns}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                sep=separator,
                encoding="utf-8-sig",
                index_col=False,
                low_memory=False,
                keep_default_na=False,
                na_values=missing,
            )
        except pd.errors.ParserWarning as e:
            raise DataError(
                f"{path}: ragged rows, some with more cells than the header: quote cells that hold commas"
            ) from e
