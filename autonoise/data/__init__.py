"""The data room: :func:`load` a source, :func:`split` it, :func:`prepare` it for a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autonoise.errors import DataError, UnknownNameError, search_extra
from autonoise.types import Array, DataType

with search_extra("autonoise.data"):  # training with a policy does not need what reads data sets
    from autonoise.data.base import SIZE_LIMIT, Dataset, Preparation, Raw, Request, Rows, compare_form, count, take
    from autonoise.data.builtin import builtin_names, read_builtin
    from autonoise.data.checks import module_of
    from autonoise.data.groups import NO_GROUP
    from autonoise.data.labels import finish
    from autonoise.data.readers import read
    from autonoise.data.remote import fetched, is_address, shown
    from autonoise.data.splits import Fold, Splits, split
    from autonoise.data.text_files import suffix_of

__all__ = [
    "SIZE_LIMIT",
    "Dataset",
    "Fold",
    "Preparation",
    "Rows",
    "Splits",
    "builtin_names",
    "compare_form",
    "count",
    "load",
    "prepare",
    "split",
    "take",
]


def load(
    source: str | Path,
    *,
    data_type: DataType | str | None = None,
    target: str | None = None,
    clean_target: str | None = None,
    group: str | None = None,
    text_column: str | None = None,
    like: Dataset | None = None,
    merge_rare: int = 0,
    max_bytes: int = SIZE_LIMIT,
) -> Dataset:
    """Read a built-in set by name (write ``./name`` for a path of that name), a file or a folder.

    An address (``s3://bucket/shop.csv``, ``https://...``) is fetched by fsspec first, each time it is read.

    ``target``, ``clean_target`` and ``group`` name columns of a table or arrays of an npz; ``clean_target``
    holds true labels where those of ``target`` are known to be noisy. ``merge_rare``: classes with fewer
    training rows become one. A group that the source brings along (an array or a column named group, patient,
    subject, participant, speaker or session) is used unless ``group`` is "none". ``text_column``: the column of a
    table that holds the text, the others are left out. ``like``: a further part of that data set is read, so that
    the columns of a table and their kinds, and the range of pixels and samples, are its own.
    Raises DataError, UnknownNameError or MissingExtraError.
    """
    named = None if group == NO_GROUP else group
    request = Request(
        _data_type(data_type), target, clean_target, named, find_group=group is None, text_column=text_column,
        like=None if like is None else like.x, full_scale=None if like is None else like.full_scale,
    )  # fmt: skip
    if isinstance(source, str) and is_address(source):
        with fetched(source, max_bytes) as copy:
            return _loaded(copy, request, max_bytes, merge_rare, shown(source))
    path = Path(source).expanduser()
    name = str(source).replace("-", "_")
    is_name = isinstance(source, str) and path.name == source and not path.suffix
    if is_name and (name in builtin_names() or not path.exists()):
        if name not in builtin_names():
            raise UnknownNameError.of("built-in data set or path", str(source), builtin_names())
        raw: Raw = read_builtin(name, request)
        return finish(raw, name=name, where=name, merge_rare=merge_rare)
    return _loaded(path, request, max_bytes, merge_rare, str(path))


def _loaded(path: Path, request: Request, max_bytes: int, merge_rare: int, where: str) -> Dataset:
    raw = read(path, request, max_bytes)
    name = path.resolve().name if path.is_dir() else path.name[: path.name.lower().rindex(suffix_of(path))]
    return finish(raw, name=name, where=where, merge_rare=merge_rare, further=request.like is not None)


def prepare(dataset: Dataset, train: Array) -> Preparation:
    """Fit the preparation of the data set's type on its training rows (N,) of row numbers."""
    rows = np.asarray(train)
    if not len(rows):
        raise DataError(f"{dataset.name}: no training rows to fit a preparation on: give at least one")
    fitted: Preparation = module_of(dataset.data_type).prepare(dataset, rows)
    return fitted


def _data_type(value: DataType | str | None) -> DataType | None:
    if value is None or value in set(DataType):
        return None if value is None else DataType(value)
    raise UnknownNameError.of("data type", str(value), set(DataType))
