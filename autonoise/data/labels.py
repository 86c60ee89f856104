"""Raw labels → 0..k-1; what is not a classification target is refused; rare classes are merged or dropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from autonoise.data import leaks
from autonoise.data.base import Dataset, LeftOut, Raw, count, take
from autonoise.errors import DataError
from autonoise.types import Array

MIN_ROWS, MIN_ROWS_GROUPED = 2, 5
"""Rows a class needs: one to train on and one to be tested on; one to train on where the test rows are given.

The splits see to it that every train part has one. They cannot move single rows of groups, so that these need one row
for each of the four parts and one to spare.
"""
LONGEST_LABEL = 1000
"""Characters that a label or the name of a group may have: NumPy stores each as long as the longest."""
MANY_CLASSES = 50
"""Up to so many distinct numbers are taken for classes, however few rows each has."""
FEWEST_ROWS = {"f": 20, "i": 5, "u": 5}
"""Rows per distinct number below which more numbers than that are a measured quantity: floats, whole numbers."""
_NOT_A_LABEL = {"", "?", "nan", "inf", "+inf", "-inf", "infinity", "-infinity"}


def finish(raw: Raw, *, name: str, where: str, merge_rare: int = 0, further: bool = False) -> Dataset:
    """Check and encode the labels of ``raw`` and make the data set.

    Classes with fewer than ``merge_rare`` rows outside the test part become one class "other"; what then still
    has too few of them to be trained on (see MIN_ROWS) is left out, which the data set remembers. ``further``: the rows
    are neither trained on nor split, so that every class stays. Raises DataError.
    """
    n = count(raw.x)
    if not n:
        raise DataError(f"{where}: no rows: give a file with data in it")
    for what, values in (("labels", raw.labels), ("clean labels", raw.clean), ("groups", raw.group)):
        if values is not None and len(values) != n:
            raise DataError(f"{where}: {n} rows, but {len(values)} {what}: give one per row")
        longest = max((len(v) for v in values if isinstance(v, str | bytes)), default=0) if values is not None else 0
        if longest > LONGEST_LABEL:
            raise DataError(
                f"{where}: one of the {what} has {longest:,} characters: check that the file is whole and that the "
                f"column is the right one"
            )
    both = raw.labels if raw.clean is None else np.concatenate([raw.labels, raw.clean])
    trained = np.zeros(len(both), dtype=bool)
    trained[:n] = True if raw.split is None else raw.split != "test"
    codes, names = encode(both, raw.class_names, where, trained=trained)
    if 2 * len(names) > n:
        raise DataError(f"{where}: {n} rows for {len(names)} classes: check that the label column is the right one")
    y, clean = codes[:n], codes[n:] if raw.clean is not None else None

    keep = np.ones(n, dtype=bool)
    counts = _train_counts(y, raw.split, len(names))
    if (counts < merge_rare).any():
        y, clean, names = _merge(y, clean, names, counts < merge_rare)
        counts = _train_counts(y, raw.split, len(names))
    tested = raw.split is not None and bool((raw.split == "test").any())
    least = MIN_ROWS_GROUPED if raw.group is not None else 1 if tested or further else MIN_ROWS
    rare, left_out = counts < least, None
    if rare.any():
        keep = ~(rare[y] | (rare[clean] if clean is not None else False))
        test_rows = int((~keep & (raw.split == "test")).sum()) if tested else None
        left_out = LeftOut(tuple(names[c] for c in np.flatnonzero(rare)), int((~keep).sum()), test_rows)
        raw.notes.tell(f"{left_out}; {least} training rows a class are needed", guess=True)
        renumber = np.cumsum(~rare) - 1
        y, names = renumber[y], tuple(v for c, v in enumerate(names) if not rare[c])
        clean = None if clean is None else renumber[clean]
    if len(names) < 2:
        raise DataError(f"{where}: only {len(names)} class with {least} training rows or more: two are needed")
    index = np.flatnonzero(keep)
    if isinstance(raw.x, pd.DataFrame) and not further:
        _tell_suspects(raw, y, keep)
    group, group_names = (None, ()) if raw.group is None else _group_ids(raw.group, where)
    return Dataset(
        name=name,
        data_type=raw.data_type,
        x=raw.x if keep.all() else take(raw.x, index),
        y=y[index].astype(np.int64),
        class_names=names,
        split=None if raw.split is None else raw.split[index],
        group=None if group is None else group[index],
        group_names=group_names,
        sample_rate=raw.sample_rate,
        clean_y=None if clean is None else clean[index].astype(np.int64),
        notes=tuple(raw.notes),
        left_out=left_out,
        full_scale=raw.full_scale,
    )


def _tell_suspects(raw: Raw, y: Array, keep: Array) -> None:
    judged = np.flatnonzero(keep if raw.split is None else keep & (raw.split != "test"))
    frame = take(raw.x, judged)
    assert isinstance(frame, pd.DataFrame)
    for column, accuracy, chance in leaks.suspects(frame, y[judged]):
        raw.notes.tell(
            f"column {column!r} alone gives accuracy {accuracy:.3f} (always the largest class: {chance:.3f}): leave it "
            f"out if it is not known before the label",
            guess=True,
        )


def encode(
    values: Array, class_names: Sequence[str] | None, where: str, *, trained: Array | None = None
) -> tuple[Array, tuple[str, ...]]:
    """Codes (N,) int64 in the sorted order of the labels present, and their names.

    ``class_names`` name the labels 0, 1, 2 ...; they are ignored for labels that are strings. ``trained`` (N,) marks
    the rows outside the test part, which alone say whether the numbers look like a measured quantity; None: all.
    Raises DataError on missing, infinite or continuous labels.
    """
    if values.ndim != 1:
        raise DataError(
            f"{where}: labels must be one per row, but got shape {values.shape}: give class numbers or names"
        )
    plain = _numbers_or_strings(values, where)
    if plain.dtype.kind == "f":
        if not np.isfinite(plain).all():
            raise DataError(
                f"{where}: missing or infinite label in row {int(np.argmin(np.isfinite(plain)))}: remove such rows"
            )
        if (plain != np.round(plain)).any():
            raise DataError(
                f"{where}: the target is continuous, and regression is not supported: bin it into classes first"
            )
    found, codes = np.unique(plain, return_inverse=True)
    judged = plain if trained is None else plain[trained]
    distinct, few = len(np.unique(judged)), FEWEST_ROWS.get(plain.dtype.kind, 0)
    if distinct > MANY_CLASSES and len(judged) < few * distinct:
        raise DataError(
            f"{where}: {distinct} distinct numbers in {len(judged)} labels look like a continuous target, and "
            "regression is not supported: bin it into classes first"
        )
    if plain.dtype.kind in "fiu":
        numbers = [int(v) for v in found]
        if class_names and (min(numbers) < 0 or max(numbers) >= len(class_names)):
            raise DataError(
                f"{where}: label {max(numbers)} has no name among {len(class_names)} class_names: give them all"
            )
        names = tuple(class_names[v] if class_names else str(v) for v in numbers)
    else:
        names = tuple(str(v) for v in found)
    return codes.astype(np.int64), names


def _numbers_or_strings(values: Array, where: str) -> Array:
    """Integers and floats as they are; strings that all spell numbers become numbers; the rest strings."""
    if values.dtype.kind in "iuf":
        return values
    if values.dtype.kind == "b":
        return values.astype(str)
    missing = np.asarray(pd.isna(values))
    if missing.any():
        raise DataError(f"{where}: missing label in row {int(missing.argmax())}: remove such rows")
    if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values):
        return np.array(values.tolist(), dtype=float)
    strings = np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values])
    bad = np.isin(np.char.lower(np.char.strip(strings)), list(_NOT_A_LABEL))
    if bad.any():
        raise DataError(f"{where}: missing or infinite label in row {int(bad.argmax())}: remove such rows")
    try:
        numbers = strings.astype(float)
    except ValueError:
        return strings
    # "1" and "1.0" may be two names; numbers only where nothing is lost by it
    if len(np.unique(numbers)) < len(np.unique(strings)):
        return strings
    # whole numbers written as such are not suspect of being a measured quantity
    return numbers.astype(np.int64) if all(v.lstrip("-").isdigit() and len(v) < 16 for v in strings) else numbers


def _train_counts(y: Array, split: Array | None, classes: int) -> Array:
    counts: Array = np.bincount(y if split is None else y[split != "test"], minlength=classes)
    return counts


def _merge(
    y: Array, clean: Array | None, names: tuple[str, ...], rare: Array
) -> tuple[Array, Array | None, tuple[str, ...]]:
    kept = tuple(v for c, v in enumerate(names) if not rare[c])
    other = "other" if "other" not in kept else "other (merged)"
    renumber = np.where(rare, len(kept), np.cumsum(~rare) - 1)
    return renumber[y], None if clean is None else renumber[clean], (*kept, other)


def _group_ids(group: Array, where: str) -> tuple[Array, tuple[str, ...]]:
    ids, names = pd.factorize(group, sort=False)
    if (ids < 0).any():
        raise DataError(f"{where}: row {int((ids < 0).argmax())} has no group: give every row one")
    out: Array = ids.astype(np.int64)
    return out, tuple(map(str, names))
