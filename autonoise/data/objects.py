"""Data that are in memory: arrays, tensors, frames, data sets of torch and of Hugging Face.

They become one file in the study's folder. Worker processes read it, and so does the command that continues the
study on another day, when nothing of the first session is in memory any more.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autonoise.data.collected import LABEL, Collected, Part, as_array, as_labels, refuse
from autonoise.data.groups import group_names
from autonoise.data.items import from_items, is_items
from autonoise.data.names import array_names, label_columns, split_name
from autonoise.errors import DataError
from autonoise.files import write_whole
from autonoise.types import Array


def is_path(data: object) -> bool:
    """Whether ``data`` names a file, a folder or a built-in set, so that there is nothing to store."""
    return isinstance(data, str | os.PathLike)


def store(data: Any, folder: str | Path, *, target: str | None = None) -> Path:
    """Write what is in memory to one file in ``folder`` and return its path.

    The file is named after its content, so the same data give the same file, and other data never replace it.
    ``target`` names the column of labels of a frame. Raises DataError for what is no labelled data.
    """
    return store_collected(collect(data, target), Path(folder))


def store_collected(held: Collected, folder: Path) -> Path:
    """The same for rows and labels that were gathered already."""
    return _store_rows(held, folder) if held.rows_are_cells else _store_arrays(held, folder)


def collect(data: Any, target: str | None = None) -> Collected:
    """Bring any accepted object to one or several parts of rows and labels.

    ``(X, y)``; ``(X_train, y_train, X_test, y_test)``, also in the order of scikit-learn's ``train_test_split``;
    a frame with ``target``; a map-style data set; a pair of training and test set; a mapping of split names to any
    of these, or of array names as in an ``.npz`` file.
    """
    if _is_hub(data):
        from autonoise.data.hub import from_hub

        return from_hub(data, target)
    if isinstance(data, pd.DataFrame):
        return Collected({"": _of_frame(data, target)})
    if isinstance(data, Mapping):
        return _of_mapping(data, target)
    if isinstance(data, tuple | list) and len(data) in (2, 4) and not _is_rows(data):
        return _of_tuple(data, target)
    if is_items(data) and not (_is_one_thing(data) or isinstance(data, tuple)):
        return from_items(data)
    raise refuse(data)


def _is_hub(data: object) -> bool:
    return type(data).__module__.partition(".")[0] == "datasets"


def _is_set(data: object) -> bool:
    """Whether ``data`` holds rows and labels both, so that two of them are training and test set."""
    if _is_hub(data) or isinstance(data, pd.DataFrame):
        return True
    return is_items(data) and not isinstance(data, list | tuple) and not _is_one_thing(data)


def _is_one_thing(data: object) -> bool:
    """An array, a tensor or a column: rows or labels, but not both."""
    return isinstance(data, np.ndarray | pd.Series) or hasattr(data, "detach") or hasattr(data, "toarray")


def _is_rows(data: Sequence[Any]) -> bool:
    """A list of numbers or strings is one column of rows, not a pair of two things."""
    return all(isinstance(v, str | int | float) for v in data)


def _of_frame(frame: pd.DataFrame, target: str | None) -> Part:
    columns = [str(c) for c in frame.columns]
    if target is None:
        named = label_columns(columns)
        if len(named) != 1:
            raise DataError(f"which column of the frame holds the labels? Say target= (columns: {', '.join(columns)})")
        target = named[0]
    if target not in columns:
        raise DataError(f"the frame has no column {target!r} for target= (columns: {', '.join(columns)})")
    whole = frame.set_axis(columns, axis=1).reset_index(drop=True)
    return Part(whole.drop(columns=[target]), whole[target].to_numpy(dtype=object), label=target)


def _of_mapping(data: Mapping[Any, Any], target: str | None) -> Collected:
    names = {str(k).lower(): k for k in data}
    usual = array_names(names)
    names |= {name: names[stored] for name, stored in usual.items()}
    splits = {n: split_name(n) for n in names}
    if names and all(splits.values()):
        return _joined({str(splits[n]): collect(data[k], target) for n, k in names.items()})
    labels = {n: n.replace("x", "y", 1) for n in names if n == "x" or n.startswith("x_")}
    parts = {(split_name(n[2:]) if n[2:] else ""): (n, y) for n, y in labels.items() if y in names}
    if not parts or None in parts:
        raise DataError(
            f"a mapping must name splits (train, test) or arrays (X_train, y_train, X_test, y_test), but has "
            f"{', '.join(map(str, data)) or 'nothing'}"
        )
    held = Collected({str(s): Part(as_array(data[names[x]]), as_labels(data[names[y]])) for s, (x, y) in parts.items()})
    used = (
        {n for pair in parts.values() for n in pair}
        | set(usual.values())
        | {"class_names", "sample_rate", "full_scale"}
    )
    for name in sorted(set(names) - used):
        _beside(held, name, data[names[name]])
    if "full_scale" in names:
        held.full_scale = float(data[names["full_scale"]])
    if "class_names" in names:
        held.class_names = tuple(str(v) for v in data[names["class_names"]])
    if "sample_rate" in names:
        held.sample_rate = int(data[names["sample_rate"]])
    return held


def _beside(held: Collected, name: str, values: Any) -> None:
    """Keep an array of a mapping that goes with the rows: groups, lengths, or a group or label to choose by name."""
    stem, _, suffix = name.rpartition("_")
    part = split_name(suffix) if stem else None
    stem, part = (stem, part) if part in held.parts else (name, "train" if "train" in held.parts else "")
    rows = held.parts.get(str(part))
    kept = as_labels(values)
    if rows is not None and kept.ndim == 1 and len(kept) == len(rows.labels):
        rows.beside[stem] = kept
    elif group_names([stem]) or stem in ("length", "lengths"):
        raise DataError(f"{name!r} of the mapping has no value for every row of one part: give one each, or drop it")


def _of_tuple(data: Sequence[Any], target: str | None) -> Collected:
    if len(data) == 2:
        first, second = data
        if isinstance(first, pd.DataFrame) and not isinstance(second, pd.DataFrame):
            return Collected({"": _of_pair(first, second)})
        if all(_is_set(d) for d in data):
            return _joined({"train": collect(first, target), "test": collect(second, target)})
        return Collected({"": _of_pair(first, second)})
    a, b, c, d = data
    lengths = [len(v) for v in data]
    documented = lengths[0] == lengths[1] and lengths[2] == lengths[3]
    of_sklearn = lengths[0] == lengths[2] and lengths[1] == lengths[3]
    if documented and of_sklearn:
        documented = _looks_like_labels(b) or not _looks_like_labels(c)
        of_sklearn = not documented
    if not documented and not of_sklearn:
        raise DataError(
            f"four arrays must be (X_train, y_train, X_test, y_test) with as many labels as rows, but have lengths "
            f"{', '.join(map(str, lengths))}"
        )
    if of_sklearn:
        b, c = c, b
    return Collected({"train": _of_pair(a, b), "test": _of_pair(c, d)})


def _looks_like_labels(values: Any) -> bool:
    return not isinstance(values, pd.DataFrame) and as_labels(values).ndim == 1


def _of_pair(rows: Any, labels: Any) -> Part:
    y = as_labels(labels)
    if isinstance(rows, pd.DataFrame):
        x: Any = rows.set_axis([str(c) for c in rows.columns], axis=1).reset_index(drop=True)
    else:
        x = as_array(rows)
    if y.ndim != 1 or len(y) != len(x):
        raise DataError(f"{len(x)} rows need as many labels, but the labels have shape {y.shape}: give (X, y)")
    return Part(x, y)


def _joined(parts: Mapping[str, Collected]) -> Collected:
    """Splits that were collected one by one, as one set."""
    first = next(iter(parts.values()))
    if any(set(held.parts) != {""} for held in parts.values()):
        raise DataError("a split cannot hold splits of its own: give rows and labels for each")
    if len({held.class_names for held in parts.values()}) > 1:
        raise DataError("the splits name their classes differently: give all of them the same classes")
    if len({held.sample_rate for held in parts.values()}) > 1:
        raise DataError("the splits have different sample rates: resample one of them")
    return Collected({s: held.parts[""] for s, held in parts.items()}, first.class_names, first.sample_rate)


# -- to disk -----------------------------------------------------------------------------------------------------


def _store_arrays(held: Collected, folder: Path) -> Path:
    arrays: dict[str, Array] = {}
    for split, part in held.parts.items():
        suffix = f"_{split}" if split else ""
        arrays[f"X{suffix}"], arrays[f"y{suffix}"] = np.asarray(part.rows), _plain(part.labels)
        arrays |= {f"{name}{suffix}": _plain(values) for name, values in part.beside.items()}
    if held.class_names is not None:
        arrays["class_names"] = np.array(held.class_names)
    if held.sample_rate is not None:
        arrays["sample_rate"] = np.array(held.sample_rate)
    if held.full_scale is not None:
        arrays["full_scale"] = np.array(held.full_scale)
    digest = hashlib.sha256()
    for name, values in arrays.items():
        digest.update(f"{name}|{values.dtype.str}|{values.shape}|".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    path = folder / f"data-{digest.hexdigest()[:12]}.npz"
    if not path.exists():
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_whole(path, buffer.getvalue())
    return path


def _store_rows(held: Collected, folder: Path) -> Path:
    frames = []
    label = next(iter(held.parts.values())).label or LABEL
    for split, part in held.parts.items():
        frame = part.rows if isinstance(part.rows, pd.DataFrame) else pd.DataFrame({"text": list(part.rows)})
        names = held.class_names
        if label in frame.columns:
            raise DataError(f"a feature column is named {label!r}, as the labels are: rename it")
        groups = {n: part.beside[n] for n in group_names(part.beside)}  # other columns would become features
        if set(groups) & set(frame.columns):
            raise DataError(f"two columns are named {min(set(groups) & set(frame.columns))!r}: rename one")
        frame = frame.assign(**groups, **{label: [names[int(v)] if names else v for v in part.labels]})
        if split:
            if "split" in frame.columns:
                raise DataError("the frames have a column 'split' of their own: rename or drop it")
            frame = frame.assign(split=split)
        frames.append(frame)
    whole = pd.concat(frames, ignore_index=True)
    for column in whole.columns:
        if whole[column].dtype == object and pd.api.types.infer_dtype(whole[column], skipna=True) not in _ARROW:
            # Arrow columns are of one type; mixed cells are categories anyway
            whole[column] = [None if pd.isna(v) else str(v) for v in whole[column]]
    digest = hashlib.sha256("|".join(f"{c}:{t}" for c, t in whole.dtypes.items()).encode())
    digest.update(pd.util.hash_pandas_object(whole, index=False).to_numpy().tobytes())
    path = folder / f"data-{digest.hexdigest()[:12]}.parquet"
    if not path.exists():
        buffer = io.BytesIO()
        whole.to_parquet(buffer, index=False)
        write_whole(path, buffer.getvalue())
    return path


_ARROW = frozenset({"string", "boolean", "floating", "integer", "decimal", "datetime64", "datetime", "date", "empty"})


def _plain(labels: Array) -> Array:
    """Labels of objects as strings, since no file of Python objects is written or read."""
    if labels.dtype != object:
        return labels
    if all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in labels):
        return labels.astype(np.int64)
    return np.array([str(v) for v in labels])
