"""Which row of the data a row of the user's noisy set is a noisy copy of, and how the rest is cut in three."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autonoise.data.base import Dataset, take
from autonoise.data.splits import Splits, equal_parts
from autonoise.errors import DataError
from autonoise.types import Array, DataType

NEAR = 0.7
"""The nearest row is a near duplicate if its distance is at most 0.7 times that of the second nearest (Lowe 2004)."""
EXCESS = 0.25
"""Share of near duplicates that the noisy rows must have beyond what clean rows have among themselves by chance.

With less than 25 percentage points more, rows look alike because the data do, not because they are copies.
"""
_PROBED, _DIMENSIONS, _CHUNK = 500, 256, 256
"""Clean rows that chance is measured on, numbers that a row is reduced to, rows compared at once (for memory)."""
_SHIFTS = 60
"""Shifts of the labels by up to so many rows are tried, to see whether their order could fit in several ways."""
_PARTS = ("search", "confirm", "test")


@dataclass(frozen=True)
class NoisyParts:
    """How a noisy set of N rows is dealt out.

    ``owner``: (N,) row of the data that it is a noisy copy of (or, by ``how`` "group", shares its group with), -1
    where there is none. ``third``: (N,) 0, 1 or 2, the part of a row whose owner is in no part, else -1.
    """

    owner: Array
    third: Array
    how: str

    def rows(self, part: str, fold: int, splits: Splits) -> Array:
        """Row numbers for a part of a fold: copies of its own rows, and its third of those that are nobody's copy.

        A copy of a row that is trained on is in no part, as it would show what the model remembers.
        """
        mine = splits.test if part == "test" else getattr(splits.folds[fold], part)
        found: Array = np.flatnonzero(np.isin(self.owner, mine) | (self.third == _PARTS.index(part)))
        return found

    def trained_on(self, splits: Splits) -> int:
        """How many rows are copies of rows that no part is judged on."""
        kept = {int(r) for fold in range(len(splits.folds)) for p in _PARTS for r in self.rows(p, fold, splits)}
        return len(self.owner) - len(kept)


def deal_out(noisy: Dataset, clean: Dataset, splits: Splits, *, labels: Array, seed: int) -> NoisyParts:
    """Find the owners by group, by order, or as near duplicates, and cut the rest into stratified thirds.

    ``labels``: (N,) of the noisy rows, in the numbering of the clean set. Raises DataError where a part gets no row.
    """
    owner, how = _by_group(noisy, clean, splits), "group"
    if not (owner >= 0).any():
        owner, how = _by_order(labels, clean), "order"
    if not (owner >= 0).any():
        owner, how = _by_likeness(noisy, clean, splits, seed), "likeness"
    if not (owner >= 0).any():
        how = ""
    third = np.full(len(noisy), -1)
    free = np.flatnonzero(~np.isin(owner, _judged(splits)))
    group = None if noisy.group is None else noisy.group[free]
    pieces = len(free) if group is None else len(np.unique(group))
    # a few left over are left out; a whole set that cannot be cut is refused
    if pieces >= len(_PARTS) or len(free) == len(noisy):
        for i, rows in enumerate(equal_parts(labels[free], group, len(_PARTS), seed=seed, what="--noisy-val")):
            third[free[rows]] = i
    parts = NoisyParts(owner, third, how)
    for part in _PARTS:
        for fold in range(len(splits.folds)):
            if not len(parts.rows(part, fold, splits)):
                raise DataError(
                    f"--noisy-val: of its {len(noisy)} rows none is left for the part {part!r}, as "
                    f"{(owner >= 0).sum()} are noisy copies of rows of the other parts: give noisy copies of all "
                    f"rows, or of other rows"
                )
    return parts


def _by_group(noisy: Dataset, clean: Dataset, splits: Splits) -> Array:
    """A row of the same group that is in one of the parts; groups are told by what the source calls them."""
    owner = np.full(len(noisy), -1)
    if noisy.group is None or clean.group is None or not (noisy.group_names and clean.group_names):
        return owner
    numbers = {name: i for i, name in enumerate(clean.group_names)}
    first = {}
    used = _judged(splits)
    for row in [*np.setdiff1d(np.arange(len(clean)), used), *used]:  # rows in a part win
        first[int(clean.group[row])] = int(row)
    for i, group in enumerate(noisy.group):
        number = numbers.get(noisy.group_names[group])
        owner[i] = first.get(number, -1) if number is not None else -1
    return owner


def _by_order(labels: Array, clean: Dataset) -> Array:
    """The noisy set holds the rows of the data, or of an official part of it, in their order.

    Taken as proof where the labels are neither sorted nor in turns, so that they fit in one way only.
    """
    shifts = [float(np.mean(np.roll(labels, k) == labels)) for k in range(1, min(_SHIFTS, len(labels) // 2))]
    if len(labels) < _SHIFTS or max(shifts) > 0.9:
        return np.full(len(labels), -1)
    official = [] if clean.split is None else [np.flatnonzero(clean.split == p) for p in ("test", "valid")]
    for rows in (np.arange(len(clean)), *official):
        if len(rows) == len(labels) and np.array_equal(clean.y[rows], labels):
            return rows
    return np.full(len(labels), -1)


def _by_likeness(noisy: Dataset, clean: Dataset, splits: Splits, seed: int) -> Array:
    """The nearest clean row where it is much nearer than the next, and where this is more frequent than by chance."""
    rows = _judged(splits)
    owner = np.full(len(noisy), -1)
    if len(rows) < 3:
        return owner
    known, asked = _points(take(clean.x, rows), noisy.x, clean.data_type, seed)
    nearest, near = _nearest(asked, known)
    probe = np.random.default_rng(seed).permutation(len(rows))[:_PROBED]
    _, by_chance = _nearest(known[probe], known, leave_out=probe)
    if near.mean() >= by_chance.mean() + EXCESS:
        owner[near] = rows[nearest[near]]
    return owner


def _judged(splits: Splits) -> Array:
    """Rows that are in a part of any fold."""
    return np.unique(np.concatenate([splits.test, *(r for f in splits.folds for r in (f.train, f.search, f.confirm))]))


def _nearest(points: Array, among: Array, leave_out: Array | None = None) -> tuple[Array, Array]:
    """(nearest of ``among`` (N,), whether it is near (N,) bool) of each of ``points``; ``leave_out``: itself (N,)."""
    squared = (among**2).sum(1)
    nearest, near = np.empty(len(points), dtype=np.int64), np.empty(len(points), dtype=bool)
    for start in range(0, len(points), _CHUNK):
        part = points[start : start + _CHUNK]
        distance = np.maximum((part**2).sum(1)[:, None] + squared - 2 * part @ among.T, 0)
        if leave_out is not None:
            distance[np.arange(len(part)), leave_out[start : start + _CHUNK]] = np.inf
        two = np.argpartition(distance, 1, axis=1)[:, :2]
        values = np.take_along_axis(distance, two, 1)
        nearest[start : start + _CHUNK] = two[np.arange(len(part)), values.argmin(1)]
        near[start : start + _CHUNK] = values.min(1) < NEAR**2 * values.max(1)
    return nearest, near


def _points(clean: object, noisy: object, data_type: DataType, seed: int) -> tuple[Array, Array]:
    """Rows as points (N, D) float32 of at most 256 dimensions, in which a noisy copy lies near its clean row."""
    if isinstance(clean, list) and isinstance(noisy, list):
        from sklearn.feature_extraction.text import HashingVectorizer

        letters = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=4096, alternate_sign=False)
        parts = [letters.transform(rows) for rows in (clean, noisy)]
        project = _projection(4096, seed)
        return (parts[0] @ project).astype(np.float32), (parts[1] @ project).astype(np.float32)
    if isinstance(clean, pd.DataFrame) and isinstance(noisy, pd.DataFrame):
        both = pd.concat([clean, noisy[clean.columns]], ignore_index=True)
        columns = [_column(both[c], len(clean)) for c in both.columns]
        flat = np.concatenate(columns, axis=1)
    else:
        one, two = (np.asarray(r, dtype=np.float32).reshape(len(r), -1) for r in (clean, noisy))  # type: ignore[arg-type]
        width = max(one.shape[1], two.shape[1])
        flat = np.concatenate([np.pad(np.nan_to_num(r), ((0, 0), (0, width - r.shape[1]))) for r in (one, two)])
        # brightness, contrast and loudness do not count
        flat -= flat.mean(1, keepdims=True)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    if flat.shape[1] > _DIMENSIONS:
        flat = flat @ _projection(flat.shape[1], seed)
    return flat[: len(clean)].astype(np.float32), flat[len(clean) :].astype(np.float32)  # type: ignore[arg-type]


def _projection(size: int, seed: int) -> Array:
    """A random projection (size, 256), which keeps distances up to a few percent (Johnson and Lindenstrauss 1984)."""
    rng = np.random.default_rng([seed, size])
    found: Array = rng.standard_normal((size, _DIMENSIONS), dtype=np.float32) / np.float32(_DIMENSIONS**0.5)
    return found


def _column(values: Any, clean: int) -> Array:
    """(N, k): a number in standard deviations of the clean rows, or a category one-hot at distance 1."""
    if values.dtype.kind == "f":
        x = values.to_numpy(dtype=np.float32)
        known = x[:clean][np.isfinite(x[:clean])]
        middle, width = (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)
        scaled: Array = np.nan_to_num((x - middle) / max(width, 1e-6))
        return scaled[:, None]
    codes, names = pd.factorize(values)
    codes = np.asarray(codes)
    onehot = codes[:, None] == np.arange(min(len(names), 64))
    found: Array = np.asarray(onehot, dtype=np.float32) / np.float32(2**0.5)
    return found
