"""Four disjoint parts: train, search (trials are scored on it), confirm (the choice is made on it), test."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from autonoise.data.base import Dataset
from autonoise.data.notes import log
from autonoise.errors import DataError
from autonoise.types import Array, DataType

KFOLD_BELOW = 2000
"""With fewer rows beside the test part, three folds are made: one search part would be too small to choose by."""
MIN_VALID = 200
"""An official validation part with fewer rows joins the training rows: halved, it could not tell policies apart."""
TEST_SHARE, SEARCH_SHARE = 0.2, 0.15
"""Share of all rows for the test part, and of the rest for the search part and again for the confirm part."""
_FOLDS, _FOLD_PARTS = 3, 10
"""Folds of small data, and pieces that their rows are cut into: a fold searches on 2 of 10 and confirms on 2 others."""
_ATTEMPTS = 20
"""How often a split by group is drawn anew until every training part has every class."""
_BUNDLES = 500
"""More groups than this are first put into so many bundles, since the time of the split grows with their number."""
_TIMES_AS_MANY = {DataType.TABULAR: 4}
"""How many times the default number of judging rows a data type gets: tables are so cheap to judge on."""


@dataclass(frozen=True)
class Fold:
    """Sorted row numbers (N,) int64 of three parts that share no row."""

    train: Array
    search: Array
    confirm: Array


@dataclass(frozen=True)
class Splits:
    """One fold, or three for small data. No row of ``test`` is in any of them."""

    folds: tuple[Fold, ...]
    test: Array


def split(
    dataset: Dataset,
    *,
    seed: int,
    train_rows: int = 10_000,
    search_rows: int | None = None,
    confirm_rows: int | None = None,
    test_rows: int | None = None,
) -> Splits:
    """Split by label, and by group where given; a part above its number of rows is cut, class by class.

    Rows of the judging parts, unless given: 1000, 1000 and 2000, of tables (cheap to judge on) four times as many.
    Official test rows are the test part, else 20 %. Official valid rows, if 200 or more, become search and
    confirm. Else 15 % + 15 % of the rest, or below 2000 rows three folds of 60 / 20 / 20 % in which no row
    that one fold confirms on is searched on in another. Every class is in every train part. Raises DataError.
    """
    times = _TIMES_AS_MANY.get(dataset.data_type, 1)
    caps = {
        "train_rows": train_rows,
        "search_rows": 1000 * times if search_rows is None else search_rows,
        "confirm_rows": 1000 * times if confirm_rows is None else confirm_rows,
        "test_rows": 2000 * times if test_rows is None else test_rows,
    }
    for name, value in caps.items():
        if value < 1:
            raise DataError(f"{name} >= 1 must hold, but got {value}")
    if train_rows < dataset.classes:
        raise DataError(f"train_rows >= {dataset.classes} (the classes) must hold, but got {train_rows}")
    tries = _ATTEMPTS if dataset.group is not None else 1  # groups cannot be moved row by row: draw again
    missing = ""
    for attempt in range(tries):
        rng = np.random.default_rng([seed, attempt])
        cut = _Cutter(dataset.y, dataset.group, rng)
        test, folds = _assign(dataset, cut)
        if cut.group is None:
            folds = [_cover(f, dataset.y, dataset.classes) for f in folds]
        gaps = [c for f in folds for c in range(dataset.classes) if not (dataset.y[f.train] == c).any()]
        empty = not len(test) or any(not (len(f.train) and len(f.search) and len(f.confirm)) for f in folds)
        if not gaps and not empty:
            folds = [
                Fold(
                    cut.sample(f.train, caps["train_rows"]),
                    cut.sample(f.search, caps["search_rows"]),
                    cut.sample(f.confirm, caps["confirm_rows"]),
                )
                for f in folds
            ]
            unseen = np.setdiff1d(np.arange(dataset.classes), dataset.y[test])
            if len(unseen):
                names = ", ".join(repr(dataset.class_names[c]) for c in unseen)
                log.warning("%s: no test row of class %s: its accuracy will not be measured", dataset.name, names)
            return Splits(tuple(folds), cut.sample(test, caps["test_rows"]))
        missing = f"class {dataset.class_names[gaps[0]]!r} is not in every train part" if gaps else "a part is empty"
    raise DataError(
        f"{dataset.name}: {len(dataset)} rows cannot be split in four, {missing}: give more rows"
        + (", or finer groups, or none (--group none)" if dataset.group is not None else "")
    )


def equal_parts(y: Array, group: Array | None, n: int, *, seed: int, what: str) -> list[Array]:
    """Row numbers of n parts of about equal size, alike in their labels; groups stay whole.

    Raises DataError, in a line that begins with ``what``.
    """
    if len(y) < n:
        raise DataError(f"{what}: {len(y)} rows cannot be divided over {n} parts: give more rows")
    groups = n if group is None else len(np.unique(group))
    parts = _Cutter(y, group, np.random.default_rng([seed, 3])).parts(np.arange(len(y)), n) if groups >= n else []
    if len(parts) < n:
        raise DataError(f"{what}: {groups} group(s) cannot be divided over {n} parts: give finer groups")
    return parts


def stratified_order(rows: Array, y: Array, rng: np.random.Generator, *, every_class_first: bool) -> Array:
    """The row numbers in an order of which every stretch has nearly the class shares of all of them.

    Of a class with m rows the i-th stands at (i + start) / m of the way (systematic sampling). With
    ``every_class_first`` each class starts at 0, so that the first rows are one of each class; otherwise each starts
    at a random place, which lets short stretches, too, have the right shares on average. ``y`` holds all labels.
    """
    rows = rng.permutation(rows)
    place = np.empty(len(rows))
    for c in np.unique(y[rows]):
        members = np.flatnonzero(y[rows] == c)
        start = 0.0 if every_class_first else rng.random()
        place[members] = (np.arange(len(members)) + start) / len(members)
    ordered: Array = rows[np.lexsort((rng.random(len(rows)), place))]
    return ordered


class _Cutter:
    """Cuts sets of rows into parts that are alike in their labels and do not separate groups."""

    def __init__(self, y: Array, group: Array | None, rng: np.random.Generator) -> None:
        self.y, self.group, self._rng = y, group, rng

    def order(self, rows: Array) -> Array:
        return stratified_order(rows, self.y, self._rng, every_class_first=True)

    def sample(self, rows: Array, limit: int) -> Array:
        return np.sort(self.order(rows)[:limit] if len(rows) > limit else rows).astype(np.int64)

    def parts(self, rows: Array, n: int) -> list[Array]:
        """At most n parts of about equal size; as many as there are groups, if those are fewer."""
        if self.group is None:
            return np.array_split(self.order(rows), n)
        from sklearn.model_selection import StratifiedGroupKFold

        y, group = self.y[rows], np.unique(self.group[rows], return_inverse=True)[1]
        if group.max(initial=0) >= _BUNDLES:  # the folder's time grows with the groups: bundle them at random
            group = self._rng.permutation(group.max() + 1)[group] % _BUNDLES
        n = min(n, len(np.unique(group)), int(np.bincount(y).max(initial=0)))
        if n < 2:
            raise DataError(
                f"{len(np.unique(group))} group(s) cannot be divided: four parts need at least 4 groups, "
                "or none (--group none)"
            )
        folder = StratifiedGroupKFold(n_splits=n, shuffle=True, random_state=int(self._rng.integers(2**31)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than parts is checked for in split()
            cut = [rows[held] for _, held in folder.split(np.zeros(len(rows)), y, group)]
        cut = sorted((p for p in cut if len(p)), key=len)
        return [*(cut[i] for i in self._rng.permutation(len(cut) - 1)), cut[-1]]  # a huge group: train's

    def carve(self, rows: Array, *shares: float) -> list[Array]:
        """One part per share, then the remainder."""
        parts = self.parts(rows, 20)
        out, start = [], 0
        for share in shares:
            stop = start + max(1, round(share * len(parts)))
            out.append(_join(parts[start:stop]))
            start = stop
        return [*out, _join(parts[start:])]


GIVEN_UP = "groups are in several parts of the official split: split anew by group (--group none keeps it)"


def split_is_given_up(dataset: Dataset) -> bool:
    """Whether rows of one group lie in the official test part and outside it, so that the split cannot be kept."""
    return dataset.split is not None and _straddle(dataset.group, dataset.split == "test")


def _assign(dataset: Dataset, cut: _Cutter) -> tuple[Array, list[Fold]]:
    official = dataset.split
    if split_is_given_up(dataset):
        log.warning("%s: %s", dataset.name, GIVEN_UP)
        official = None
    every = np.arange(len(dataset))
    if official is None:
        official = np.full(len(dataset), "train")
    pool, valid, test = (every[official == part] for part in ("train", "valid", "test"))
    if len(valid) < MIN_VALID or _straddle(dataset.group, official == "train", official == "valid"):
        pool, valid = _join([pool, valid]), valid[:0]
    if not len(test):
        test, pool = cut.carve(pool, TEST_SHARE)
    if len(valid):
        search, confirm = cut.carve(valid, 0.5)
        return test, [Fold(pool, search, confirm)]
    if len(pool) >= KFOLD_BELOW:
        search, confirm, train = cut.carve(pool, SEARCH_SHARE, SEARCH_SHARE)
        return test, [Fold(train, search, confirm)]
    return test, _small_folds(cut.parts(pool, _FOLD_PARTS))


def _small_folds(parts: list[Array]) -> list[Fold]:
    """Fold i searches on 20 % out of one half of the parts and confirms on 20 % out of the other half."""
    half, width = len(parts) // 2, max(1, len(parts) // 5)
    folds = []
    for i in range(min(_FOLDS, half)):
        searched = {(i * width + j) % half for j in range(width)}
        confirmed = {half + s for s in searched}
        rest = [p for k, p in enumerate(parts) if k not in searched | confirmed]
        folds.append(Fold(_join(rest), _join([parts[k] for k in searched]), _join([parts[k] for k in confirmed])))
    return folds


def _cover(fold: Fold, y: Array, classes: int) -> Fold:
    """Move one row of each class that the train part lacks into it."""
    train, search, confirm = fold.train, fold.search, fold.confirm
    for c in np.setdiff1d(np.arange(classes), y[train]):
        for held in (confirm, search):
            rows = held[y[held] == c][:1]
            if len(rows):
                train = np.append(train, rows)
                search, confirm = (p[~np.isin(p, rows)] for p in (search, confirm))
                break
    return Fold(train, search, confirm)


def _straddle(group: Array | None, inside: Array, outside: Array | None = None) -> bool:
    if group is None:
        return False
    return bool(np.isin(group[~inside if outside is None else outside], group[inside]).any())


def _join(parts: list[Array]) -> Array:
    return np.concatenate([*parts, np.empty(0, dtype=np.int64)]).astype(np.int64)
