"""How sure a mean score or a difference of two is: variance from seeds, rows, groups and folds, each counted once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from autonoise.study.folder import RunResult
from autonoise.study.result import Measured
from autonoise.types import Array

LEVEL = 0.05
"""Probability with which an interval may miss the true value, too low and too high together."""
REAL = "real"
"""The family of the user's own noisy set, whose rows are not the rows of the clean part."""


@dataclass(frozen=True)
class Interval:
    """A mean difference with its confidence limits."""

    mean: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        return Interval(self.mean * factor, self.low * factor, self.high * factor)

    def within(self, earlier: Interval | None) -> Interval:
        """Where this look and all earlier ones agree; always around this mean, which is the best known."""
        if earlier is None:
            return self
        low, high = max(self.low, earlier.low), min(self.high, earlier.high)
        return Interval(self.mean, min(low, self.mean), max(high, self.mean))

    def measured(self) -> Measured:
        """As it stands in the result: to five digits after the point."""
        return Measured(round(self.mean, 5), round(self.low, 5), round(self.high, 5))


Parts = list[tuple[float, Array]]
"""Weighted per-example scores: a score is the sum over parts of weight * mean(vector)."""


def parts_of(result: RunResult, weight: float, families: Mapping[str, str], keep: Iterable[str] | None = None) -> Parts:
    """(1 - weight) * clean + weight * noisy of a run as per-example scores; clean alone where there is nothing noisy.

    ``families`` corruption → family; ``keep`` restricts the corruptions.
    """
    names = [n for n in result.noisy if n in families and (keep is None or n in set(keep))]
    if not names:
        return [(1.0, result.correct)]
    return linear_parts(result, 1 - weight, weight, families, names)


def linear_parts(
    result: RunResult, clean: float, noisy: float, families: Mapping[str, str], names: Sequence[str]
) -> Parts:
    """A score clean * clean accuracy + noisy * noisy accuracy under the corruptions ``names``, by example.

    Noisy accuracy is the mean over corruptions of a family, then over families. Rows of a real noisy set are other
    rows, so they are a part of their own.
    """
    groups: dict[str, list[Array]] = {}
    for name in names:
        groups.setdefault(families[name], []).append(result.noisy[name])
    per_family = {family: np.mean(v, axis=0) for family, v in groups.items()}
    same = [v for family, v in per_family.items() if family != REAL]
    other = [v for family, v in per_family.items() if family == REAL]
    share = noisy / len(per_family)
    combined = clean * result.correct + share * np.sum(same, axis=0) if same else clean * result.correct
    return [(1.0, combined), *((share, v) for v in other)]


def value(parts: Parts) -> float:
    return float(sum(w * v.mean() for w, v in parts))


@dataclass(frozen=True)
class Side:
    """The runs of one contestant. ``folds``: the fold each run was trained on; empty where there is only one."""

    runs: Sequence[Parts]
    folds: Sequence[int] = ()


@dataclass(frozen=True)
class Estimate:
    """A mean with the parts of its variance.

    Attributes:
        rows: variance from the rows or their groups, which further seeds cannot lower.
        per_seed: for each side, the variance between seeds; it enters as per_seed / seeds.
        seeds: number of runs of each side.
        terms: (mean square as it enters the variance, its degrees of freedom), for Satterthwaite's formula; that of
            the rows first.
        excess: variance from the folds beyond what seeds explain; further seeds cannot lower it either.
        folds: number of folds.
    """

    mean: float
    rows: float
    per_seed: tuple[float, ...]
    seeds: tuple[int, ...]
    terms: tuple[tuple[float, float], ...]
    excess: float = 0.0
    folds: int = 1

    @property
    def variance(self) -> float:
        return self.variance_with(self.seeds)

    def variance_with(self, seeds: Sequence[int]) -> float:
        """The variance that the mean would have with so many seeds on each side."""
        return self.rows + self.excess + sum(v / k for v, k in zip(self.per_seed, seeds, strict=True))

    @property
    def freedom(self) -> float:
        """Satterthwaite's degrees of freedom: V^2 / sum(term^2 / freedom of the term), at least 1."""
        below = sum(term**2 / freedom for term, freedom in self.terms)
        return max(self.variance**2 / below, 1.0) if 0 < below < math.inf else 1.0 if below else math.inf

    def interval(self, level: float = LEVEL) -> Interval:
        """The two-sided interval that misses with probability ``level``."""
        variance = self.variance
        if not math.isfinite(variance):
            return Interval(self.mean, -math.inf, math.inf)
        half = math.sqrt(variance) * _student(level, self.freedom) if variance else 0.0
        if self.excess:
            # Satterthwaite's formula misses too often where a variance of two degrees of freedom is among the terms:
            # Banerjee's sum of t^2 * variance does not
            rows, folds = _student(level, self.terms[0][1]), _student(level, self.folds - 1)
            half = math.sqrt(rows**2 * self.rows + folds**2 * (variance - self.rows))
        return Interval(self.mean, self.mean - half, self.mean + half)


def _student(level: float, freedom: float) -> float:
    return float(stats.t.ppf(1 - level / 2, freedom))


def estimate(a: Side, b: Side | None = None, groups: Sequence[Array | None] = ()) -> Estimate:
    """The mean score of ``a``, or the mean difference a - b, with its variance.

    A score of seed k on row i is modelled as mean + seed_k + row_i + residual_ki. Rows are the same for all runs, so
    differences are paired over them; the seeds of two contestants are independent, and their numbers may differ. With
    D the scores averaged over seeds, the variance of the mean over rows of D holds the rows' and the residuals' share;
    the variance between seeds holds the seeds' and the residuals' share, so the residuals are taken off there:

        V = var_i(D) / n + sum over sides (var_k(mean_k) - residual variance / n) / K

    ``groups``: for each part of the score the group of each row, or None. Rows of a group are one draw: the variance
    over rows becomes that of group sums, and its degrees of freedom come from the number of groups.
    Where runs were trained on several folds (training sets), the mean is that of the fold means; the variance
    between folds takes the place of that between seeds when it is larger, and more seeds do not lower the excess.
    """
    sides = [a] if b is None else [a, b]
    signs = (1.0, -1.0)
    tables = [_by_fold(s) for s in sides]
    folds = set.intersection(*(set(t) for t in tables))
    if any(set(t) != folds for t in tables):
        raise ValueError("both contestants must be trained on the same folds")
    order = sorted(folds)
    means = [[_average(t[f]) for f in order] for t in tables]
    differences = [_combined([m[i] for m in means], signs) for i in range(len(order))]
    whole = _average(differences)
    mean = value(whole)
    rows, rows_freedom = _row_variance(whole, groups)
    seeds = tuple(len(s.runs) for s in sides)
    if not math.isfinite(rows):
        return Estimate(mean, rows, (0.0,) * len(sides), seeds, ((rows, rows_freedom),))
    within, terms, per_seed = 0.0, [], []
    for table, averages in zip(tables, means, strict=True):
        runs = [r for f in order for r in table[f]]
        centred = [_combined([r, m], signs) for f, m in zip(order, averages, strict=True) for r in table[f]]
        freedom = len(runs) - len(order)
        weight = sum(1 / len(table[f]) for f in order) / len(order) ** 2  # 1 / K where folds are balanced
        between_seeds = sum(value(c) ** 2 for c in centred) / freedom if freedom else math.inf
        residual = sum(_row_variance(c, groups)[0] for c in centred) / freedom if freedom else 0.0
        terms.append((weight * between_seeds, float(freedom)))
        per_seed.append(len(runs) * weight * (between_seeds - residual))
        within += weight * (between_seeds - residual)
    excess = 0.0
    if len(order) > 1:
        # the terms of the seeds are within those of the folds
        centred = [_combined([d, whole], signs) for d in differences]
        freedom = len(order) - 1
        between_folds = sum(value(c) ** 2 for c in centred) / freedom / len(order)
        residual = sum(_row_variance(c, groups)[0] for c in centred) / freedom / len(order)
        if not math.isfinite(within):  # one run a fold: what seeds do cannot be told from what folds do
            within, per_seed, terms = 0.0, [0.0] * len(sides), [(between_folds, float(freedom))]
            excess = max(between_folds - residual, 0.0)
        elif between_folds - residual > max(within, 0.0):
            excess, terms = between_folds - residual - max(within, 0.0), [(between_folds, float(freedom))]
    if within < 0:  # the residuals alone explain what the seeds show
        per_seed = [0.0] * len(sides)
    elif any(v < 0 for v in per_seed):
        shrink = sum(per_seed[i] / seeds[i] for i in range(len(sides))) / sum(
            max(v, 0.0) / k for v, k in zip(per_seed, seeds, strict=True)
        )
        per_seed = [max(v, 0.0) * shrink for v in per_seed]
    return Estimate(mean, rows, tuple(per_seed), seeds, ((rows, rows_freedom), *terms), excess, len(order))


def _by_fold(side: Side) -> dict[int, list[Parts]]:
    out: dict[int, list[Parts]] = {}
    for run, fold in zip(side.runs, side.folds or [0] * len(side.runs), strict=True):
        out.setdefault(fold, []).append(run)
    return out


def _average(runs: Sequence[Parts]) -> Parts:
    """The mean over runs, row by row; a part whose rows differ in number between runs is left with its means."""
    return _combined(runs, [1 / len(runs)] * len(runs))


def _combined(runs: Sequence[Parts], factors: Sequence[float]) -> Parts:
    out: Parts = []
    for j, (weight, _) in enumerate(runs[0]):
        vectors = [r[j][1] for r in runs]
        if len({len(v) for v in vectors}) > 1:
            vectors = [np.array([v.mean()]) for v in vectors]
        out.append((weight, np.sum([f * v for f, v in zip(factors, vectors, strict=False)], axis=0)))
    return out


def _row_variance(parts: Parts, groups: Sequence[Array | None]) -> tuple[float, float]:
    """(variance of the score over draws of rows or groups, its degrees of freedom)."""
    terms = []
    for j, (weight, vector) in enumerate(parts):
        group = groups[j] if j < len(groups) else None
        n = len(vector)
        if group is None:
            # a part of one number holds runs on different rows: the variance between seeds has their rows in it
            terms.append((weight**2 * float(vector.var(ddof=1)) / n if n > 1 else 0.0, max(n - 1.0, 1.0)))
            continue
        _, codes, sizes = np.unique(group, return_inverse=True, return_counts=True)
        if len(sizes) < 2:
            return math.inf, 1.0
        away = np.bincount(codes, weights=vector - vector.mean())
        # 1 / (1 - share) makes the estimate unbiased, as n - 1 does for single rows; big groups count as fewer
        variance = float((away**2 / (1 - sizes / n)).sum()) / n**2
        squares = sizes.astype(float) ** 2
        terms.append((weight**2 * variance, max(float(squares.sum() ** 2 / (squares**2).sum()) - 1, 1.0)))
    total = sum(t for t, _ in terms)
    below = sum(t**2 / f for t, f in terms)
    return total, total**2 / below if below else min(f for _, f in terms)


def paired_estimate(a: Side, b: Side, groups: Sequence[Array | None] = ()) -> Estimate:
    """The mean difference a - b, run by run: run k of both sides is from the same seed, on the same fold and rows.

    What a seed does to both alike (first weights, order of the batches) then cancels, as rows do.
    """
    if len(a.runs) != len(b.runs) or tuple(a.folds) != tuple(b.folds):
        raise ValueError("both sides must have runs of the same seeds and folds, in the same order")
    differences = [_combined([x, y], (1.0, -1.0)) for x, y in zip(a.runs, b.runs, strict=True)]
    return estimate(Side(differences, a.folds), groups=groups)


def paired(a: Sequence[Parts], b: Sequence[Parts], confidence: float = 0.95) -> Interval:
    """Interval of the mean difference a - b of runs from the same seeds in the same order, paired over them and rows.

    For choosing; the verdict takes ``estimate``, whose two sides may have different numbers of seeds.
    """
    k = min(len(a), len(b))
    differences = [_combined([a[i], b[i]], (1.0, -1.0)) for i in range(k)]
    if any(len({len(d[j][1]) for d in differences}) > 1 for j in range(len(a[0]))):
        differences = [[(1.0, np.array([value(d)]))] for d in differences]
    return estimate(Side(differences)).interval(1 - confidence)
