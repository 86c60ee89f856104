"""A column that alone gives nearly the whole accuracy: it may hold the answer, and is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from autonoise.types import Array

NEARLY_WHOLE = 0.95
"""A column is told if its accuracy is this share of the way from that of the largest class alone up to 1."""
LEAST_ROWS = 50
"""With fewer training rows a column may tell the classes apart by chance."""
MOST_ROWS, MOST_COLUMNS = 4000, 200
"""Bounds on the time: rows are drawn, and of wider tables the first columns are looked at."""
_BINS = 64
"""Ranges that a column of numbers is cut into, so that it can be treated like categories."""


def suspects(frame: pd.DataFrame, y: Array) -> Iterator[tuple[str, float, float]]:
    """(column, its accuracy alone, accuracy of the largest class) of columns that alone are nearly never wrong.

    ``frame`` and ``y`` (N,) hold training rows. Each half is predicted from the other one, by the commonest class
    among rows of the same category, or of the same of at most 64 ranges of about equal size of a number.
    """
    if len(y) < LEAST_ROWS:
        return
    drawn = np.random.default_rng(0).permutation(len(y))[:MOST_ROWS]
    y = np.unique(y[drawn], return_inverse=True)[1]
    chance = float(np.bincount(y).max() / len(y))
    half = np.arange(len(y)) < len(y) // 2
    for name in frame.columns[:MOST_COLUMNS]:
        place = _places(frame[name].iloc[drawn])
        right = np.concatenate([_right(place, y, half), _right(place, y, ~half)])
        accuracy = float(right.mean())
        if accuracy - chance >= NEARLY_WHOLE * (1 - chance) > 0:
            yield str(name), accuracy, chance


def _places(values: pd.Series[Any]) -> Array:
    """A number (N,) for each cell: its category, or the range its number lies in; missing cells are one more."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    if values.dtype.kind == "f" and len(distinct) > _BINS:
        numbers = values.to_numpy(dtype=np.float64)
        bins = min(_BINS, max(len(numbers) // 10, 2))
        limits = np.nanquantile(numbers, np.arange(1, bins) / bins)
        codes = np.where(np.isnan(numbers), bins, np.searchsorted(limits, numbers, side="right"))
    return codes.astype(np.int64)


def _right(place: Array, y: Array, known: Array) -> Array:
    """Whether each row outside ``known`` is predicted rightly from the rows inside (bool)."""
    counts = np.zeros((place.max() + 1, y.max() + 1))
    np.add.at(counts, (place[known], y[known]), 1)
    answer = np.where(counts.any(axis=1), counts.argmax(axis=1), np.bincount(y[known]).argmax())
    right: Array = answer[place[~known]] == y[~known]
    return right
