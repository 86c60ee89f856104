"""CSV, Parquet and JSON-lines files: which column is what, and whether the rest is text or a table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from autonoise.data import cells, text
from autonoise.data.base import Raw, Request, Rows
from autonoise.data.checks import module_of
from autonoise.data.groups import group_names, too_few, used
from autonoise.data.names import LABELS, label_columns, split_names
from autonoise.data.notes import Notes
from autonoise.data.parquet import check_parquet
from autonoise.data.text_files import encoding_of, open_text, suffix_of
from autonoise.errors import DataError
from autonoise.types import Array, DataType

MAX_COLUMNS = 20_000
"""Columns that a table may have; so many take some ten seconds to read."""
_MISSING = ["", " ", "?", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>", "#N/A"]


@dataclass(frozen=True)
class _File:
    """A table file, its suffix, and the separator of a CSV ("" for other types)."""

    path: Path
    suffix: str
    separator: str = ""

    def frame(self, columns: Sequence[str], labels: Sequence[str | None]) -> pd.DataFrame:
        if self.separator:
            return _read_csv(self.path, self.separator, columns, labels)
        if self.suffix == ".parquet":
            check_parquet(self.path)
            frame = pd.read_parquet(self.path)
            # a stored index with a name is a column like any other
            return frame.reset_index() if any(n is not None for n in frame.index.names) else frame
        return pd.read_json(self.path, lines=True, dtype=False, convert_dates=False, encoding=encoding_of(self.path))

    def strings(self, columns: Sequence[str]) -> pd.DataFrame:
        """Columns of a CSV as they are written."""
        return pd.read_csv(
            self.path, sep=self.separator, dtype=str, keep_default_na=False, index_col=False,
            encoding=encoding_of(self.path), usecols=list(columns),
        )[list(columns)]  # fmt: skip


def read(path: Path, request: Request, max_bytes: int) -> Raw:
    """Read a table with a header: label column, optional split and group columns, the rest features."""
    where, suffix, notes = str(path), suffix_of(path), Notes(str(path))
    if suffix in (".csv", ".tsv"):
        header, separator = _header(path)
        if len(header) > MAX_COLUMNS:
            raise DataError(_too_wide(where, len(header)))
        file = _File(path, suffix, separator)
        label = _label(header, request, where)
        frame = file.frame(header, (label, request.clean_target))
    else:
        file = _File(path, suffix)
        frame = file.frame((), ())
        label = _label([str(c) for c in frame.columns], request, where)
    if len(frame.columns) > MAX_COLUMNS:
        raise DataError(_too_wide(where, len(frame.columns)))
    if not len(frame):
        raise DataError(f"{where}: a header but no rows: give a file with data in it")

    special = {label, request.clean_target, request.group}
    for name in (special | {request.text_column}) - {None}:
        if name not in frame.columns:
            raise DataError(f"{where}: no column {name!r} (columns: {', '.join(map(str, frame.columns))})")
    split = next((c for c in frame.columns if str(c).lower() == "split" and c not in special), None)
    parts = None if split is None else split_names(_values(frame, split), where)
    train = np.ones(len(frame), dtype=bool) if parts is None else parts != "test"
    group = request.group
    if group is None and request.find_group:
        group = _brought_along(frame, special | {split, request.text_column}, parts, train, notes)
    x = frame[[c for c in frame.columns if c not in special | {split, group}]]
    data_type = request.data_type
    if request.text_column is not None and data_type not in (None, DataType.TEXT):
        raise DataError(f"{where}: a text column is for text data, not {data_type} data: leave one of the two out")
    if data_type in (None, DataType.TEXT):
        column = text.column_of(x, train, request, notes)
        data_type = DataType.TABULAR if column is None else DataType.TEXT
        # "NA" and "null" are words of a text
        x = x if column is None else (file.strings([column]) if file.separator else x[[column]])
    return Raw(
        data_type,
        _rows(x, data_type, file, request, train, notes),
        _values(frame, label),
        clean=_values(frame, request.clean_target) if request.clean_target else None,
        group=_values(frame, group) if group else None,
        split=parts,
        notes=notes,
    )


def _too_wide(where: str, columns: int) -> str:
    return (
        f"{where}: {columns:,} columns, more than the {MAX_COLUMNS:,} that can be read in reasonable time: keep those "
        f"that differ most between rows"
    )


def _rows(x: pd.DataFrame, data_type: DataType, file: _File, request: Request, train: Array, notes: Notes) -> Rows:
    module = module_of(data_type)
    if not hasattr(module, "from_frame"):
        raise DataError(
            f"{notes.where}: a table cannot hold {data_type} data: give .npz or a folder with one folder per class"
        )
    if data_type is not DataType.TABULAR:
        rows: Rows = module.from_frame(x, notes.where)
        return rows
    comma = file.separator == ";"
    x = _with_points(x, file, train) if file.separator else x
    like = request.like if isinstance(request.like, pd.DataFrame) else None
    table: Rows = module.from_frame(x, notes.where, notes, train, comma=comma, like=like)
    return table


def _with_points(x: pd.DataFrame, file: _File, train: Array) -> pd.DataFrame:
    """The frame with points read as thousands separators, 1.234 as 1234, where the file writes decimals with a comma.

    So it is where another column holds a number such as 3,5; only columns are changed in which all cells fit.
    """
    written = [c for c in x.columns if not pd.api.types.is_numeric_dtype(x[c].dtype)]
    if not any(cells.writes_decimal_commas(x[c][train].dropna()) for c in written):
        return x
    floats = [c for c in x.columns if x[c].dtype.kind == "f"]
    raw = file.strings(floats) if floats else x[[]]
    grouped = [c for c in floats if cells.thousands_with_points(raw[c][train])]
    return x.assign(**{c: raw[c].str.replace(".", "", regex=False) for c in grouped}) if grouped else x


def _brought_along(
    frame: pd.DataFrame, taken: set[str | None], split: Array | None, train: Array, notes: Notes
) -> str | None:
    """A column that holds groups, by its name (group, patient, speaker ...), although nobody named it; told."""
    for name in group_names([str(c) for c in frame.columns if c not in taken]):
        values = frame[name]
        distinct = values[train].nunique()
        if distinct > 0.5 * train.sum():
            continue  # another value in every row: an identifier, or the subject line of a message
        reason = "some rows have none" if values.isna().any() else too_few(values.to_numpy(dtype=object), split)
        if not reason:
            notes.tell(used(name, values.to_numpy(dtype=object)), guess=True)
            return name
        notes.tell(f"column {name!r} is not used as groups but as a feature: {reason}", guess=True)
    return None


def _values(frame: pd.DataFrame, column: str) -> Array:
    values = frame[column]
    if pd.api.types.is_bool_dtype(values.dtype) or not pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=object)
    return values.to_numpy(dtype=np.float64, na_value=np.nan) if values.isna().any() else values.to_numpy()


def _header(path: Path) -> tuple[list[str], str]:
    """Column names and the separator (comma, semicolon or tab, whichever the first line has most of)."""
    with open_text(path) as file:
        line = file.readline(1_000_000)
    separator = max(",;\t", key=line.count)
    names = pd.read_csv(path, sep=separator, nrows=0, encoding=encoding_of(path), index_col=False).columns
    return [str(c) for c in names], separator


def _label(columns: Sequence[str], request: Request, where: str) -> str:
    if request.target is not None:
        return request.target
    named = label_columns(columns, taken=(request.clean_target, request.group))
    if len(named) != 1:
        found = "several of" if named else "none of"
        raise DataError(
            f"{where}: no label column: found {found} {', '.join(LABELS)} (columns: "
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
                encoding=encoding_of(path),
                index_col=False,
                low_memory=False,
                keep_default_na=False,
                na_values=missing,
            )
        except pd.errors.ParserWarning as e:
            raise DataError(
                f"{path}: ragged rows, some with more cells than the header: quote cells that hold commas"
            ) from e
