"""Means, differences and their intervals against numbers by hand and by simulation; how a score is put together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from study_samples import run_of

from autonoise.verdict.statistics import (
    Estimate,
    Interval,
    Parts,
    Side,
    estimate,
    linear_parts,
    paired,
    parts_of,
    value,
)


def side(*runs: list[float], folds: tuple[int, ...] = ()) -> Side:
    return Side([[(1.0, np.array(r, float))] for r in runs], folds)


def test_one_side_by_hand() -> None:
    # means .5 and .75 of the seeds; 1, .5, .5 and .5 of the rows
    found = estimate(side([1, 0, 1, 0], [1, 1, 0, 1]))
    assert found.mean == pytest.approx(0.625)
    rows = 0.0625 / 4  # variance of the rows' means, over 4 rows
    between = 0.03125  # of .5 and .75
    residual = (
        sum(
            (y - m - r + 0.625) ** 2
            for y, m, r in (
                (1, 0.5, 1),
                (0, 0.5, 0.5),
                (1, 0.5, 0.5),
                (0, 0.5, 0.5),
                (1, 0.75, 1),
                (1, 0.75, 0.5),
                (0, 0.75, 0.5),
                (1, 0.75, 0.5),
            )
        )
        / 3
    )  # (2 - 1) * (4 - 1) degrees of freedom
    assert residual == pytest.approx(1.375 / 3)
    # the residuals explain more than what is between the seeds, so only the rows are left
    assert between < residual / 4
    assert found.variance == pytest.approx(rows)
    assert found.seeds == (2,)


def test_two_sides_with_unequal_seeds_by_hand() -> None:
    a, b = side([0.9, 0.7], [0.7, 0.5]), side([0.5, 0.5], [0.2, 0.2], [0.2, 0.2])
    # a: means .8 and .6 (variance .02); b: .5, .2, .2 (variance .03); no residuals. Rows of a - b: .5 and .3
    found = estimate(a, b)
    assert found.mean == pytest.approx(0.4)
    assert found.rows == pytest.approx(0.02 / 2)
    assert found.per_seed == pytest.approx((0.02, 0.03))
    assert found.variance == pytest.approx(0.01 + 0.02 / 2 + 0.03 / 3)
    # Satterthwaite: .03^2 / (.01^2 / 1 + .01^2 / 1 + .01^2 / 2) = 3.6; t(.975, 3.6) = 2.9019
    assert found.freedom == pytest.approx(3.6)
    found_interval = found.interval()
    assert found_interval.high - 0.4 == pytest.approx(stats.t(3.6).ppf(0.975) * 0.03**0.5)
    assert found_interval.high - 0.4 == pytest.approx(2.9019 * 0.17321, rel=1e-3)
    assert found.variance_with((10, 15)) == pytest.approx(0.01 + 0.002 + 0.002)


def test_rows_are_paired_and_seeds_are_not() -> None:
    rng = np.random.default_rng(0)
    rows = rng.random(50)
    a = Side([[(1.0, rows + s)] for s in (0.1, 0.2, 0.3)])
    b = Side([[(1.0, rows + s)] for s in (0.0, 0.3, 0.1)])
    found = estimate(a, b)
    assert found.rows == pytest.approx(0.0, abs=1e-12)
    assert found.variance == pytest.approx(np.var([0.1, 0.2, 0.3], ddof=1) / 3 + np.var([0.0, 0.3, 0.1], ddof=1) / 3)


def test_residuals_are_counted_once() -> None:
    """Rows and residuals alone: the variance of the mean must be (rows + residual / K) / n, not more."""
    rng, total = np.random.default_rng(1), 0.0
    rounds, k, n = 200, 4, 40
    for _ in range(rounds):
        shared = rng.standard_normal(n)
        total += estimate(Side([[(1.0, shared + 2 * rng.standard_normal(n))] for _ in range(k)])).variance / rounds
    truth = (1 + 4 / k) / n
    assert truth == pytest.approx(total, rel=0.2)  # what is between the seeds counts only above 0, so a little more
    assert total < 1.3 * truth  # counted twice it would be 1.5 * truth


def test_groups_are_one_draw_each() -> None:
    # groups of 2, 2 and 2 rows; their sums around 6 * the mean .5: 1, 0 and -1
    one = side([1, 1, 0, 1, 0, 0], [1, 1, 0, 1, 0, 0])
    found = estimate(one, groups=[np.array(["u", "u", "v", "v", "w", "w"])])
    assert found.variance == pytest.approx((1 + 0 + 1) / (1 - 1 / 3) / 36)
    assert found.terms[0][1] == pytest.approx(2)  # three groups
    alone = estimate(one)
    assert alone.variance == pytest.approx(0.3 / 6)
    assert alone.terms[0][1] == 5
    assert estimate(one, groups=[np.zeros(6)]).interval().high == math.inf  # one group says nothing about others
    uneven = estimate(one, groups=[np.array([0, 0, 0, 0, 1, 2])])
    assert uneven.terms[0][1] == pytest.approx((16 + 1 + 1) ** 2 / (256 + 1 + 1) - 1 if 18**2 / 258 > 2 else 1.0)
    every = estimate(one, groups=[np.arange(6)])
    assert every.variance == pytest.approx(alone.variance)


def test_folds_count_as_draws_of_training_sets() -> None:
    # fold means of a: .6, .7, .8 (two equal seeds each); nothing between seeds, rows or residuals
    runs = [[0.6, 0.6], [0.7, 0.7], [0.8, 0.8]] * 2
    found = estimate(side(*runs, folds=(0, 1, 2, 0, 1, 2)))
    assert found.mean == pytest.approx(0.7)
    assert found.variance == pytest.approx(0.01 / 3)
    assert found.variance_with((60,)) == pytest.approx(0.01 / 3)  # more seeds on the same folds do not help
    assert found.interval().high - 0.7 == pytest.approx(4.30265 * (0.01 / 3) ** 0.5, rel=1e-5)  # 2 degrees of freedom
    ignored = estimate(side(*runs))
    assert ignored.variance == pytest.approx(np.var([0.6, 0.7, 0.8] * 2, ddof=1) / 6)
    one_each = estimate(side(*runs[:3], folds=(0, 1, 2)))
    assert one_each.variance == pytest.approx(0.01 / 3)
    # where both are trained on the same folds, only what the folds do to the difference counts
    other = side(*[[v - 0.1 for v in r] for r in runs], folds=(0, 1, 2, 0, 1, 2))
    assert estimate(side(*runs, folds=(0, 1, 2, 0, 1, 2)), other).variance == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="same folds"):
        estimate(side(*runs, folds=(0, 1, 2, 0, 1, 2)), side(*runs[:2], folds=(0, 1)))


def test_seeds_within_folds_count_where_folds_do_nothing() -> None:
    runs = [[v, v] for v in (0.6, 0.6, 0.6, 0.8, 0.8, 0.8)]
    found = estimate(side(*runs, folds=(0, 1, 2, 0, 1, 2)))
    assert found.excess == 0
    assert found.per_seed == pytest.approx((0.02,))  # .01 + .01 in each fold, one degree of freedom each
    assert found.variance == pytest.approx(0.02 / 6)
    assert found.terms[1] == (pytest.approx(0.02 / 6), 3.0)


@pytest.mark.parametrize(
    ("seeds", "seed_sd", "row_sd", "groups"),
    [
        ((3, 3), (0.03, 0.03), 0.05, 0),
        ((3, 3), (0.0, 0.0), 0.05, 0),
        ((5, 5), (0.004, 0.008), 0.1, 0),
        ((5, 10), (0.01, 0.02), 0.05, 0),
        ((5, 5), (0.0, 0.0), 0.4, 0),
        ((5, 5), (0.005, 0.01), 0.1, 12),
    ],
)
def test_intervals_cover_the_truth(
    seeds: tuple[int, int], seed_sd: tuple[float, float], row_sd: float, groups: int
) -> None:
    rng, truth, n, rounds = np.random.default_rng(0), 0.03, 120, 400
    label = np.arange(n) % groups if groups else None
    hits = 0
    for _ in range(rounds):
        rows = row_sd * (rng.standard_normal(groups)[label] if groups else rng.standard_normal(n))
        made = [
            Side([[(1.0, m + sd * rng.standard_normal() + 0.1 * rng.standard_normal(n))] for _ in range(k)])
            for m, sd, k in zip((truth + rows, 0.0), seed_sd, seeds, strict=True)
        ]
        found = estimate(made[0], made[1], [label]).interval()
        hits += found.low <= truth <= found.high
    assert 0.925 <= hits / rounds <= 0.99  # 2 standard errors are .022


def test_paired_is_over_seeds_and_rows() -> None:
    rng = np.random.default_rng(3)
    a, b = (side(*rng.random((4, 30)).tolist()) for _ in range(2))
    difference = Side([[(1.0, x[0][1] - y[0][1])] for x, y in zip(a.runs, b.runs, strict=True)])
    assert paired(a.runs, b.runs, 0.8) == estimate(difference).interval(0.2)
    # runs on rows of other folds: only the variance between them counts, which holds that of their rows
    uneven: list[Parts] = [[(1.0, np.full(10, 0.2))], [(1.0, np.array([0.5] * 9))]]
    zero: list[Parts] = [[(1.0, np.zeros(10))], [(1.0, np.zeros(9))]]
    found = paired(uneven, zero)
    assert found.mean == pytest.approx(0.35)
    assert found.high - found.mean == pytest.approx(12.7062 * 0.15, rel=1e-5)


def test_one_seed_says_nothing() -> None:
    assert estimate(side([1.0, 0.0])).interval().high == math.inf
    assert paired(side([1.0, 0.0]).runs, side([1.0, 0.0]).runs).low == -math.inf


def test_no_variance_at_all() -> None:
    same = side([0.5, 0.5], [0.5, 0.5])
    assert estimate(same).interval() == Interval(0.5, 0.5, 0.5)


def test_a_second_part_adds_its_own_rows() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.random((3, 30)), rng.random((3, 7))
    found = estimate(Side([[(1.0, x), (0.25, y)] for x, y in zip(first, second, strict=True)]))
    assert found.mean == pytest.approx(first.mean() + 0.25 * second.mean())
    assert found.rows == pytest.approx(
        np.var(first.mean(0), ddof=1) / 30 + 0.25**2 * np.var(second.mean(0), ddof=1) / 7
    )


def test_an_interval_of_several_looks() -> None:
    now = Interval(0.03, -0.01, 0.07)
    assert now.within(None) == now
    assert now.within(Interval(0.05, 0.01, 0.09)) == Interval(0.03, 0.01, 0.07)
    assert now.within(Interval(0.09, 0.04, 0.14)) == Interval(0.03, 0.03, 0.07)  # always around the best known mean
    assert Interval(0.1, 0.0, 0.2).scaled(2).measured() == (0.2, 0.0, 0.4)


def test_variance_with_more_seeds() -> None:
    e = Estimate(0.0, 1.0, (2.0, 3.0), (2, 3), ((1.0, 9.0), (1.0, 1.0), (1.0, 2.0)), 0.5)
    assert e.variance == pytest.approx(1.0 + 0.5 + 1.0 + 1.0)
    assert e.variance_with((4, 30)) == pytest.approx(1.0 + 0.5 + 0.5 + 0.1)


def test_parts_weight_families_not_corruptions() -> None:
    run = run_of([1, 1, 0, 0], a1=np.array([1.0, 0, 0, 0]), a2=np.array([1.0, 1, 0, 0]), b=np.array([0.0, 0, 0, 1]))
    families = {"a1": "A", "a2": "A", "b": "B"}
    # noisy = mean of A (.25, .5 → .375) and B (.25) = .3125; clean .5
    assert value(parts_of(run, 1.0, families)) == pytest.approx(0.3125)
    assert value(parts_of(run, 0.4, families)) == pytest.approx(0.6 * 0.5 + 0.4 * 0.3125)
    assert value(parts_of(run, 0.0, families)) == pytest.approx(0.5)
    assert value(parts_of(run, 1.0, families, keep=["a2"])) == pytest.approx(0.5)
    np.testing.assert_allclose(parts_of(run, 1.0, families)[0][1], [0.5, 0.25, 0, 0.5])
    assert value(parts_of(run, 1.0, families, keep=[])) == pytest.approx(0.5)  # nothing noisy: clean alone
    assert value(parts_of(run, 1.0, {"b": "B"})) == pytest.approx(0.25)
    assert value(linear_parts(run, 1.0, -1.0, families, ["a1", "a2", "b"])) == pytest.approx(0.5 - 0.3125)


@pytest.mark.parametrize("length", [4, 6])
def test_a_real_noisy_set_is_a_part_of_its_own(length: int) -> None:
    real = np.arange(length) / length
    run = run_of([1, 1, 0, 0], a=np.array([1.0, 0, 0, 0]), real=real)
    parts = parts_of(run, 0.5, {"a": "A", "real": "real"})
    assert [len(v) for _, v in parts] == [4, length]
    assert [w for w, _ in parts] == [1.0, 0.25]
    assert value(parts) == pytest.approx(0.5 * 0.5 + 0.25 * 0.25 + 0.25 * real.mean())
    alone = parts_of(run_of([1, 1, 0, 0], real=real), 0.5, {"real": "real"})
    assert value(alone) == pytest.approx(0.25 + 0.5 * real.mean())
