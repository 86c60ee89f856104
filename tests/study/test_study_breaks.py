"""Lines of the sampler, the calibration, the splits and the score that could break unseen, by hand-made numbers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from autonoise.corruptions.calibrate import _first_at_or_below, _places, amount_at, calibrate
from autonoise.data import Dataset, split
from autonoise.data.splits import _straddle
from autonoise.study.prepare import harmless
from autonoise.trials.sampler import PARENTS, WIDTH, EvolvingSampler, _parents, _varied
from autonoise.types import DataType


class Draws:
    """A generator that answers what it is told: uniform numbers from one list, normal ones from another."""

    def __init__(self, uniform: list[float], normal: list[float] = []) -> None:  # noqa: B006 - never changed
        self._uniform, self._normal = iter(uniform), iter(normal)
        self.weights: list[Any] = []

    def random(self) -> float:
        return next(self._uniform)

    def normal(self) -> float:
        return next(self._normal)

    def choice(self, n: int, p: Any) -> int:
        self.weights.append(p)
        return 0 if len(self.weights) == 1 else 1


def test_parents_are_the_five_best_best_first() -> None:
    study = optuna.create_study(direction="maximize")
    for score in (0.1, 0.7, 0.3, 0.9, 0.5, 0.8, 0.2):
        study.tell(study.ask(), score)
    assert [t.value for t in _parents(study)] == [0.9, 0.8, 0.7, 0.5, 0.3]
    assert PARENTS == 5


def test_the_best_parent_is_the_likeliest() -> None:
    """Of three parents the chances are 3, 2 and 1 of 6."""
    sampler = EvolvingSampler(prior=0.3, seed=0)
    draws = Draws([0.9])  # no second parent
    sampler._rng_children = draws  # type: ignore[assignment]
    parents: Any = [SimpleNamespace(params={"use.a": n}) for n in (1, 2, 3)]
    assert sampler._inherit(parents) == {"use.a": 1}
    np.testing.assert_allclose(draws.weights[0], [3 / 6, 2 / 6, 1 / 6])


def test_a_child_of_two_takes_each_technique_with_its_own_numbers() -> None:
    first = {"use.a": True, "a.x": 1.0, "use.b": False, "use.c": True, "c.x": 3.0, "use.d": False, "d.x": 7.0}
    second = {"use.a": True, "a.x": 10.0, "use.b": True, "b.x": 20.0, "use.c": False, "use.d": False, "d.x": 70.0}
    sampler = EvolvingSampler(prior=0.3, seed=0)
    # a second parent; a: of the second; b: comes along (.6 < 2/3); c: does not (.7); d: of the first
    sampler._rng_children = Draws([0.4, 0.6, 0.6, 0.7, 0.4])  # type: ignore[assignment]
    child = sampler._inherit([SimpleNamespace(params=first), SimpleNamespace(params=second)])  # type: ignore[list-item]
    assert child == {
        "use.a": True,
        "a.x": 10.0,
        "use.b": True,
        "b.x": 20.0,
        "use.c": False,
        "c.x": 3.0,
        "use.d": False,
        "d.x": 7.0,
    }


def test_a_number_moves_along_its_scale_and_stays_in_its_bounds() -> None:
    log, plain = FloatDistribution(0.01, 1.0, log=True), FloatDistribution(0.0, 10.0)
    moved = _varied(0.1, log, Draws([0.9], [1.0]))  # type: ignore[arg-type]
    assert moved == pytest.approx(0.1 * 100**WIDTH)
    assert moved == pytest.approx(0.1995, abs=1e-4)  # a linear step would end at .2485
    assert _varied(4.0, plain, Draws([0.9], [-2.0])) == pytest.approx(1.0)  # type: ignore[arg-type]
    assert _varied(0.9, log, Draws([0.9], [5.0])) == 1.0  # type: ignore[arg-type]
    assert _varied(4.0, plain, Draws([0.9], [-9.0])) == 0.0  # type: ignore[arg-type]
    whole = _varied(3, IntDistribution(1, 9), Draws([0.9], [1.5]))  # type: ignore[arg-type]
    assert whole == 5 and isinstance(whole, int)  # 3 + 1.5 * .15 * 8 = 4.8
    assert _varied(4.0, plain, Draws([0.4])) == 4.0  # type: ignore[arg-type]


def corruption(log: bool, mildest: float, harshest: float, call: Any = None) -> Any:
    class Made:
        def __call__(self, rows: Any, amount: float, *, rng: np.random.Generator, reference: Any) -> Any:
            return call(amount, rng)

    made = Made()
    made.log, made.mildest, made.harshest = log, mildest, harshest  # type: ignore[attr-defined]
    return made


def test_amounts_lie_between_the_mildest_and_the_harshest_by_the_right_scale() -> None:
    assert amount_at(corruption(True, 1.0, 100.0), 0.5) == pytest.approx(10.0)
    assert amount_at(corruption(False, 0.0, 8.0), 0.25) == 2.0
    falling = corruption(True, 30.0, 0.3)  # decibels: harsher is smaller
    assert amount_at(falling, 0.0) == 30.0 and amount_at(falling, 1.0) == pytest.approx(0.3)
    assert amount_at(falling, 1.5) == 0.3 and amount_at(falling, -1.0) == 30.0
    assert amount_at(corruption(False, 0.0, 8.0), 2.0) == 8.0


def test_every_amount_has_the_same_draws() -> None:
    """Fresh draws per amount would make the curve vary by chance: each amount sees the first draw of one generator."""
    seen: list[float] = []

    def call(amount: float, rng: np.random.Generator) -> float:
        seen.append(float(rng.random()))
        return amount

    calibrate(
        corruption(False, 0.0, 1.0, call),
        lambda amount: 0.9 - 0.6 * float(amount),
        None,  # type: ignore[arg-type]
        clean=0.9,
        chance=0.3,
        rng_seed=11,
        reference=None,  # type: ignore[arg-type]
    )
    assert len(seen) >= 9 and len(set(seen)) == 1
    assert seen[0] == np.random.default_rng(11).random()


def test_severities_of_a_straight_curve_by_hand() -> None:
    """Retention 1 - amount: the targets are kept at amounts 1 - target."""
    found = calibrate(
        corruption(False, 0.0, 1.0, lambda amount, rng: amount),
        lambda amount: 0.9 - 0.6 * float(amount),
        None,
        clean=0.9,
        chance=0.3,
        rng_seed=0,
        reference=None,  # type: ignore[arg-type]
    )
    np.testing.assert_allclose(found.amounts, [0.03, 0.09, 0.16, 0.26, 0.38], atol=1e-6)
    np.testing.assert_allclose(found.retentions, [0.97, 0.91, 0.84, 0.74, 0.62], atol=1e-6)
    assert found.note == ""


def test_targets_out_of_reach_are_spread_to_the_harshest() -> None:
    position, fitted = np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.9, 0.8])
    places, note = _places(position, fitted, (0.95, 0.85, 0.7, 0.6))
    np.testing.assert_allclose(places, [0.25, 0.75, 0.875, 1.0])
    assert note == "weak: even the harshest amount keeps 0.80 of the accuracy; not reached: 0.70, 0.60"
    places, note = _places(position, np.array([0.5, 0.4, 0.3]), (0.9, 0.45))
    assert note.startswith("harsh: the mildest amount already keeps only 0.50")
    assert places[0] == 0.0 and places[1] == pytest.approx(0.25)
    assert _first_at_or_below(position, fitted, 0.9) == 0.5


def frozen(name: str, group: str, *retentions: float) -> Any:
    return SimpleNamespace(name=name, group=group, retentions=retentions)


def test_harmless_corruptions_go_unless_a_group_would_be_empty() -> None:
    found = [
        frozen("a", "search", 0.99, 0.96),
        frozen("b", "search", 0.99, 0.5),
        frozen("c", "held_out", 1.0, 0.97),
    ]
    assert harmless(found) == ["a"]
    assert harmless([*found, frozen("d", "held_out", 0.99, 0.95)]) == ["a", "c"]


def test_a_group_on_both_sides_of_an_official_split() -> None:
    group = np.array([0, 0, 1, 1, 2, 2])
    assert _straddle(group, np.array([False, True, False, False, True, True]))
    assert not _straddle(group, np.array([False, False, False, False, True, True]))
    assert not _straddle(None, np.array([True, False]))
    # groups 0 .. 39 of ten rows; number 39 is half in the official test part
    n = 400
    official = np.where(np.arange(n) >= n - 95, "test", "train")
    data = Dataset(
        "g",
        DataType.TIMESERIES,
        np.zeros((n, 1, 4), dtype=np.float32),
        np.arange(n) % 2,
        ("a", "b"),
        split=official,
        group=np.arange(n) // 10,
    )
    parts = split(data, seed=0)
    assert data.group is not None
    for fold in parts.folds:
        sets = [set(data.group[rows].tolist()) for rows in (fold.train, fold.search, fold.confirm, parts.test)]
        assert all(not a & b for i, a in enumerate(sets) for b in sets[i + 1 :])
    whole = Dataset(
        "g",
        DataType.TIMESERIES,
        np.zeros((n, 1, 4), dtype=np.float32),
        np.arange(n) % 2,
        ("a", "b"),
        split=np.where(np.arange(n) >= n - 90, "test", "train"),
        group=np.arange(n) // 10,
    )
    assert sorted(split(whole, seed=0).test) == list(range(n - 90, n))
    assert math.isclose(WIDTH, 0.15)
