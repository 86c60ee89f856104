"""Paired intervals against numbers by hand and by simulation; how a score is put together from a run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from study_samples import run_of

from autonoise.study.statistics import Interval, paired, parts_of, spread, value


def test_paired_by_hand() -> None:
    a = [[(1.0, np.array([1.0, 1, 0, 1]))], [(1.0, np.array([1.0, 1, 1, 1]))]]
    b = [[(1.0, np.array([0.0, 1, 0, 1]))], [(1.0, np.array([1.0, 0, 0, 1]))]]
    # differences .25 and .5: s^2/K = .03125/2; rows .5 .5 .5 0: s^2/n = .0625/4; t(.975, 1) = 12.7062
    found = paired(a, b)
    assert found.mean == pytest.approx(0.375)
    assert found.high - found.mean == pytest.approx(12.7062 * (0.015625 + 0.015625) ** 0.5, rel=1e-5)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_paired_by_a_second_derivation() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.random((2, 4, 30)), rng.random((2, 4, 7))
    a = [[(1.0, first[0, k]), (0.25, second[0, k])] for k in range(4)]
    b = [[(1.0, first[1, k]), (0.25, second[1, k])] for k in range(4)]
    seeds = (first[0] - first[1]).mean(1) + 0.25 * (second[0] - second[1]).mean(1)
    rows = [w**2 * np.var((x[0] - x[1]).mean(0), ddof=1) / x.shape[2] for w, x in ((1.0, first), (0.25, second))]
    half = stats.t(3).ppf(0.9) * np.sqrt(np.var(seeds, ddof=1) / 4 + sum(rows))
    found = paired(a, b, confidence=0.8)
    assert (found.low, found.high) == pytest.approx((seeds.mean() - half, seeds.mean() + half))


def test_one_seed_says_nothing() -> None:
    one = [[(1.0, np.array([1.0, 0.0]))]]
    assert paired(one, one).high == float("inf")


@pytest.mark.parametrize(("seed_sd", "example_sd"), [(0.02, 0.1), (0.003, 0.4)])
def test_intervals_cover_the_truth(seed_sd: float, example_sd: float) -> None:
    rng, truth, seeds, n = np.random.default_rng(0), 0.03, 5, 150
    hits = alone = 0
    zero = [[(1.0, np.zeros(n))]] * seeds
    for _ in range(400):
        shared = example_sd * rng.standard_normal(n)
        runs = truth + shared + seed_sd * rng.standard_normal((seeds, 1)) + 0.1 * rng.standard_normal((seeds, n))
        found = paired([[(1.0, r)] for r in runs], zero)
        hits += found.low <= truth <= found.high
        only = spread(runs.mean(1).tolist())
        alone += only.low <= truth <= only.high
    assert 0.93 <= hits / 400 <= 0.998
    if example_sd > 0.2:
        assert alone / 400 < 0.75  # what an interval over seeds alone would cover


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


def test_spread() -> None:
    found = spread([0.8, 0.9, 1.0])
    assert found.to_list() == [0.9, 0.65159, 1.14841]  # 4.30265 * .1 / sqrt(3)
    assert spread([0.7]) == Interval(0.7, 0.7, 0.7)
    assert Interval(0.1, 0.0, 0.2).scaled(2).to_list() == [0.2, 0.0, 0.4]
