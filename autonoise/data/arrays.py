"""``.npz`` files: which array is what, and which data type the shape tells of."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autonoise.array_files import open_npz
from autonoise.data import audio, image, levels
from autonoise.data.base import Raw, Request
from autonoise.data.checks import check_size, module_of
from autonoise.data.groups import group_names, too_few, used
from autonoise.data.names import array_names, split_name
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array, DataType

AUDIBLE_RATE = 1000
"""Hz: below it a stated sample rate is that of a sensor, not of sound."""


def read(path: Path, request: Request, max_bytes: int) -> Raw:
    """Read X_train, y_train, X_test, y_test and optionally X_valid, y_valid; or X, y; in upper or lower case.

    Other usual names are understood too: see :func:`autonoise.data.names.array_names`.

    Optional: class_names, sample_rate, full_scale (of pixels or samples), length[_part] (samples before padding),
    arrays named as target or group, and groups that are found by their name. Shapes: (n, h, w[, c]) pictures,
    (n, c, l) series, with a sample_rate (n, t), (n, 1 or 2, t) or (n, t, 1 or 2) audio, (n, d) a table, (n,) strings
    text.
    """
    with zipfile.ZipFile(path) as archive:  # an npz of zeros may be a thousand times its size
        check_size(sum(info.file_size for info in archive.infolist()), max_bytes, path)
    with open_npz(path, DataError) as stored:
        return from_mapping(stored, request, str(path))


def from_mapping(stored: Mapping[str, Any], request: Request, where: str) -> Raw:
    """The same from arrays by name, wherever they come from. Raises DataError."""
    request.refuse(where, "text_column")
    arrays = _Arrays(stored, where)
    notes = Notes(where)
    parts = _parts(arrays, notes) or [("train", "")]
    if parts[0][0] != "train" or not (parts[0][1] or arrays.has("x")):
        raise DataError(f"{where}: needs arrays X_train and y_train, or X and y (found: {arrays.listing})")
    return _assemble(arrays, parts, request, notes)


def _parts(arrays: _Arrays, notes: Notes) -> list[tuple[str, str]]:
    """(part, its suffix as stored) for every ``X_...`` whose suffix names a part of a split, train first."""
    held: dict[str, str] = {}
    for name in sorted(n for n in arrays.names if n.lower().startswith("x_")):
        part = split_name(name[2:])
        if part is None:
            notes.tell(f"array {name} is left out: its name is that of no part (train, valid, test)", guess=True)
        elif part in held:
            raise DataError(
                f"{notes.where}: arrays X_{held[part]} and {name} are both the {part} part: drop one of them"
            )
        else:
            held[part] = name[2:]
    return [(part, held[part]) for part in ("train", "valid", "test") if part in held]


class _Arrays:
    """The arrays of an open npz by name, in any case, or by their usual name (``x_train`` for ``train_images``).

    One that holds Python objects raises DataError when it is asked for.
    """

    def __init__(self, stored: Mapping[str, Any], where: str) -> None:
        self._stored, self._where = stored, where
        usual = array_names(stored)
        self._keys = usual | {k.lower(): k for k in stored} | {k: k for k in stored}
        self.names = (*stored, *usual)
        self.listing = ", ".join(stored)

    def has(self, name: str) -> bool:
        return name in self._keys or name.lower() in self._keys

    def get(self, name: str) -> Array:
        key = self._keys.get(name) or self._keys[name.lower()]
        try:
            return np.asarray(self._stored[key])
        except ValueError as e:
            if "allow_pickle" not in str(e):
                raise
            raise DataError(
                f"{self._where}: array {key} holds Python objects (ragged rows?): save numbers of one shape, "
                "shorter rows padded with NaN"
            ) from e

    def first(self, *names: str) -> Array | None:
        return next((self.get(n) for n in names if self.has(n)), None)


def _assemble(arrays: _Arrays, parts: list[tuple[str, str]], request: Request, notes: Notes) -> Raw:
    where = notes.where
    xs = [arrays.get(f"x_{suffix}" if suffix else "x") for _, suffix in parts]
    if not all(v.ndim for v in xs):
        raise DataError(f"{where}: X is a single value and no array of rows: store one row per example")
    if len({(v.shape[1:], v.dtype.kind in "US") for v in xs}) > 1:
        raise DataError(f"{where}: parts of different shapes ({', '.join(str(v.shape) for v in xs)}): make rows equal")
    labels = _per_row(arrays, parts, xs, request.target or "y", where, required=True)
    if labels is None:
        raise DataError(
            f"{where}: no label array {request.target or 'y'!r} for every part: name one as target "
            f"(found: {arrays.listing})"
        )
    clean = request.clean_target and _per_row(arrays, parts, xs, request.clean_target, where, required=True)
    if request.clean_target and clean is None:
        raise DataError(
            f"{where}: no label array {request.clean_target!r} (found: {arrays.listing}): check clean_target"
        )
    split = np.repeat([p for p, _ in parts], [len(v) for v in xs]) if len(parts) > 1 else None
    group = _per_row(arrays, parts, xs, request.group, where) if request.group else None
    if request.group and group is None:
        raise DataError(f"{where}: no group array {request.group!r} for every part (found: {arrays.listing})")
    if request.find_group:
        group = _brought_along(arrays, parts, xs, split, request, notes)
    lengths = _per_row(arrays, parts, xs, "length", where)
    if lengths is None:
        lengths = _per_row(arrays, parts, xs, "lengths", where)

    train = np.ones(sum(map(len, xs)), dtype=bool) if split is None else split == "train"
    x = xs[0] if len(xs) == 1 else np.concatenate(xs)
    if x.dtype.kind == "S":
        x = np.char.decode(x, "utf-8")
    rate = _number(arrays, "sample_rate", 1, 1e6, where)
    rate = None if rate is None else int(rate)
    data_type = request.data_type or infer(x, rate, where, notes)
    if data_type is DataType.AUDIO and rate is None:
        rate = audio.DEFAULT_RATE
        notes.tell(f"no sample_rate in the file: {rate} Hz assumed", guess=True)
    full = _number(arrays, "full_scale", 1e-9, 1e12, where)
    if full is None and data_type is DataType.IMAGE and x.dtype.kind in "iufb":
        full = levels.find_white(x, where=where, notes=notes, train=train, like=request.full_scale)
    if full is None and data_type is DataType.AUDIO and x.dtype.kind in "iu":
        full = audio.find_full_scale(x, where, notes, request.full_scale)
    scaled = {"full_scale": full} if data_type in (DataType.IMAGE, DataType.AUDIO) else {}
    names = _class_names(arrays, where)
    return Raw(
        data_type,
        module_of(data_type).from_array(x, lengths=lengths, where=where, notes=notes, train=train, **scaled),
        labels,
        clean=clean if isinstance(clean, np.ndarray) else None,
        group=group,
        split=split,
        class_names=names,
        sample_rate=rate if data_type is DataType.AUDIO else None,
        full_scale=full,
        notes=notes,
    )


def _class_names(arrays: _Arrays, where: str) -> tuple[str, ...] | None:
    found = arrays.first("class_names")
    if found is None:
        return None
    names = tuple(v.decode() if isinstance(v, bytes) else str(v) for v in found.ravel())
    twice = next((v for v, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise DataError(f"{where}: class_names holds {twice!r} twice: give every class a name of its own")
    return names


def _brought_along(
    arrays: _Arrays,
    parts: list[tuple[str, str]],
    xs: list[Array],
    split: Array | None,
    request: Request,
    notes: Notes,
) -> Array | None:
    """A group array that nobody named (``group``, ``speaker_train`` ...), told; one that cannot be used, told too."""
    stems = {re.sub(r"_([^_]+)$", lambda m: "" if split_name(m[1]) else m[0], n) for n in arrays.names}
    names = group_names(sorted(stems - {request.target, request.clean_target}))
    for name in names:
        try:
            group = _per_row(arrays, parts, xs, name, notes.where)
        except DataError:
            group = None
        if group is None:
            notes.tell(f"array {name!r} is not used as groups: it does not hold one value per row of every part")
            continue
        reason = too_few(group, split)
        if reason:
            notes.tell(f"array {name!r} is not used as groups: {reason}", guess=True)
            continue
        notes.tell(used(name, group), guess=True)
        return group
    return None


def _per_row(
    arrays: _Arrays,
    parts: list[tuple[str, str]],
    xs: list[Array],
    name: str,
    where: str,
    required: bool = False,
) -> Array | None:
    """One array over all parts; ``name`` may be that of the training part (``y_train_human``).

    Required labels fall back to y_test and y_valid in the other parts.
    """
    found = []
    for (part, suffix), x in zip(parts, xs, strict=True):
        candidates = [f"{name}_{suffix}"] if suffix else []
        if part == "train":
            candidates.append(name)
        elif "train" in name:
            candidates.insert(0, name.replace("train", suffix))
        if required and part != "train":
            candidates.append(f"y_{suffix}")
        values = arrays.first(*candidates)
        if values is None:
            return None
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if not values.ndim:
            return None
        if values.shape[:1] != x.shape[:1]:
            raise DataError(
                f"{where}: {len(x)} {part} rows, but {candidates[0]} has shape {values.shape}: one value per row"
            )
        found.append(values)
    return np.concatenate(found)


def _number(arrays: _Arrays, name: str, low: float, high: float, where: str) -> float | None:
    value = arrays.first(name)
    if value is None:
        return None
    if value.size != 1 or value.dtype.kind not in "iuf" or not low <= float(value.ravel()[0]) <= high:
        got = repr(value.ravel()[0])[:60] if value.size == 1 else f"an array of shape {value.shape}"
        raise DataError(f"{where}: {name} must be one number in {low:g}..{high:g}, but got {got}")
    return float(value.ravel()[0])


def infer(x: Array, rate: int | None, where: str, notes: Notes) -> DataType:
    """The data type that the shape and dtype of an array, and a stated sample rate, tell of, or DataError."""
    if x.ndim == 1 and x.dtype.kind in "UT":
        return DataType.TEXT
    numbers = x.dtype.kind in "iufb"
    if numbers and rate is not None and (x.ndim == 2 or audio.channel_axis(x.shape) is not None):
        if rate >= AUDIBLE_RATE:
            return DataType.AUDIO
        notes.tell(f"{rate} Hz is too low for sound: X is read as series")
        return DataType.TIMESERIES
    if numbers and image.looks_like(x):
        if x.ndim == 3 and x.dtype not in (np.uint8, np.bool_):
            notes.tell(f"X of shape {x.shape} is read as pictures: give data_type if these are series", guess=True)
        return DataType.IMAGE
    if numbers and x.ndim == 3:
        square = x.shape[1] == x.shape[2]
        notes.tell(
            f"X of shape {x.shape} is read as series of {x.shape[1]} channels: give data_type if these are pictures",
            guess=square,
        )
        return DataType.TIMESERIES
    if numbers and x.ndim == 2:
        if x.dtype == np.int16:
            raise DataError(
                f"{where}: X of shape {x.shape} and type int16 may be sound or a table: store sample_rate beside it, "
                "or give the data type"
            )
        return DataType.TABULAR
    raise DataError(f"{where}: X of shape {x.shape} and type {x.dtype} fits no data type: see the documented shapes")
