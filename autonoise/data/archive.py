"""Files of the UCR/UEA time-series archive: ``.ts`` with @header lines and plain ``.tsv``."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from autonoise.data import tables, timeseries
from autonoise.data.base import Raw, Request
from autonoise.data.checks import check_padded, check_size
from autonoise.data.text_files import open_text, suffix_of
from autonoise.errors import DataError
from autonoise.types import Array, DataType


def read(path: Path, request: Request, max_bytes: int) -> Raw:
    """Read NAME.ts or NAME.tsv; with NAME_TRAIN the NAME_TEST beside it becomes the test part.

    A ``.tsv`` whose first line is not all numbers is an ordinary table with a header.
    """
    if suffix_of(path) == ".tsv" and not _is_series_tsv(path):
        return tables.read(path, request, max_bytes)
    request.refuse(str(path), "target", "clean_target", "group", "text_column")
    if request.data_type not in (None, DataType.TIMESERIES):
        raise DataError(f"{path}: the file holds time series, not {request.data_type} data: leave data_type out")
    parse = _parse_ts if suffix_of(path) == ".ts" else _parse_tsv
    files = _files(path)
    check_size(sum(file.stat().st_size for file, _ in files), max_bytes, path)
    series: list[list[Array]] = []
    labels: list[str] = []
    split: list[str] = []
    for file, part in files:
        rows, names = parse(file)
        series += rows
        labels += names
        split += [part] * len(rows)
    channels = {len(row) for row in series}
    if len(channels) > 1:
        raise DataError(f"{path}: ragged rows: some with {min(channels)} and some with {max(channels)} channels")
    shape = (len(series), max(channels, default=0), max((len(v) for row in series for v in row), default=0))
    check_padded(8 * math.prod(shape), 8 * sum(len(v) for row in series for v in row), path)
    x = np.full(shape, np.nan)
    for i, row in enumerate(series):
        for c, values in enumerate(row):
            x[i, c, : len(values)] = values
    return Raw(
        DataType.TIMESERIES,
        timeseries.from_array(x, lengths=None, where=str(path)),
        np.array(labels, dtype=object),
        split=np.array(split) if len(files) > 1 else None,
    )


def _files(path: Path) -> list[tuple[Path, str]]:
    match = re.fullmatch(r"(.*_)(TRAIN)(\..*)", path.name, re.IGNORECASE)
    if match:
        test = {"TRAIN": "TEST", "train": "test"}.get(match[2], "Test")
        beside = path.with_name(f"{match[1]}{test}{match[3]}")
        if beside.is_file():
            return [(path, "train"), (beside, "test")]
    return [(path, "train")]


def _parse_ts(path: Path) -> tuple[list[list[Array]], list[str]]:
    rows: list[list[Array]] = []
    labels: list[str] = []
    in_data = False
    for number, raw in enumerate(_lines(path), start=1):
        line = raw.strip()
        if not line or line.startswith(("#", "%")):
            continue
        if line.startswith("@"):
            key, _, value = line[1:].lower().partition(" ")
            in_data = in_data or key == "data"
            _check_header(key, value.strip(), path)
        elif in_data:
            *channels, label = line.split(":")
            if not channels:
                raise DataError(f"{path}: line {number} has no label after its series: separate them by ':'")
            rows.append([_numbers(c.split(","), path, number) for c in channels])
            labels.append(label.strip())
        else:
            raise DataError(f"{path}: line {number} comes before @data: this is not a .ts file of the UCR/UEA archive")
    return rows, labels


def _check_header(key: str, value: str, path: Path) -> None:
    if key == "timestamps" and value.startswith("true"):
        raise DataError(
            f"{path}: series with time stamps are not supported: resample them evenly and store values only"
        )
    if key == "targetlabel" and value.startswith("true"):
        raise DataError(f"{path}: the target is continuous, and regression is not supported: bin it into classes first")
    if key == "classlabel" and value.startswith("false"):
        raise DataError(f"{path}: the file has no class labels: give one that has")


def _lines(path: Path) -> list[str]:
    with open_text(path) as file:
        return file.read().splitlines()


def _parse_tsv(path: Path) -> tuple[list[list[Array]], list[str]]:
    rows: list[list[Array]] = []
    labels: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            label, *values = line.split("\t")
            rows.append([_numbers(values, path, number)])
            labels.append(label.strip())
    return rows, labels


def _is_series_tsv(path: Path) -> bool:
    with open_text(path) as file:
        cells = file.readline().strip().split("\t")
    try:
        return len([float(v) for v in cells]) > 1
    except ValueError:
        return False


def _numbers(cells: list[str], path: Path, number: int) -> Array:
    try:
        return np.array([np.nan if v.strip() in ("?", "") else float(v) for v in cells])
    except ValueError as e:
        raise DataError(
            f"{path}: line {number} holds something that is not a number ({e}): write missing values as ?"
        ) from e
