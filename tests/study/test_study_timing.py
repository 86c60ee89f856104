"""``--timeout`` is kept: what is set aside, and what is given up when things take longer than planned."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from autonoise.study.budget import Budget, Evaluations, Plan, measured_seconds
from autonoise.study.config import StudyConfig
from autonoise.study.trial_record import PREFIX

FULL = Plan(4, 3, 3, 5)
CAREFUL = replace(FULL, starts=2)
SMALLEST = Plan(2, 1, 0, 3, presets=1)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("autonoise.study.budget.time", SimpleNamespace(time=lambda: clock.now))
    return clock


def budget(seconds: float = 2.0, evaluations: Evaluations = Evaluations(), **settings: Any) -> Budget:
    config = StudyConfig(**{"data": "x", "study": "s", "out": "o", "timeout": 1000.0, "seeds": 5} | settings)
    return Budget(config, 1, 2, baseline_seconds=seconds, evaluations=evaluations, started=100.0, begun=100.0)


def trials(*seconds_and_work: tuple[float, float]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for seconds, work in seconds_and_work:
        trial = study.ask()
        for name, value in {"seconds": seconds, "work": work, "score": 0.5}.items():
            trial.set_user_attr(PREFIX + name, value)
        study.tell(trial, 0.5)
    return study


def runs(seconds: float, number: int = 4) -> list[Any]:
    return [SimpleNamespace(seconds=seconds)] * number


def test_the_reserve_by_hand() -> None:
    # one preset: (4 + 1 + 1) * 2.1 + 3 * 3 + 15 = 36.6 trainings of 2 s at 1.5 passes on 2 processes
    assert budget().reserve(FULL, 2.0) == pytest.approx(5 + 10 + 36.6 * 2 * 1.5 / 2)
    assert budget().reserve(FULL, 2.0, processes=1) == pytest.approx(5 + 36.6 * 2 * 1.5)
    # 21.6 evaluations on the confirm part, 15 on the test part; all of it twice as slow where a training takes 4 s
    evaluated = budget(evaluations=Evaluations(0.5, 3.0, 7.0, 20.0))
    assert evaluated.reserve(FULL, 2.0) == pytest.approx(5 + 10 + 27 + (36.6 * 3 + 21.6 * 0.5 + 15 * 3) / 2)
    assert evaluated.reserve(FULL, 4.0) == pytest.approx(5 + 10 + 54 + (36.6 * 6 + 21.6 * 1 + 15 * 6) / 2)


def test_the_plan_gets_smaller_with_the_time() -> None:
    assert budget().plan(2.0, 500) == CAREFUL
    assert budget().plan(17.0, 500) == Plan(3, 2, 2, 5, starts=1)
    assert budget().plan(20.0, 500) == Plan(3, 2, 0, 5, starts=1)
    assert budget().plan(40.0, 500) == SMALLEST
    assert budget(evaluations=Evaluations(making_test=600)).plan(2.0, 500) == SMALLEST
    assert budget(seeds=4).plan(2.0, 55) == Plan(3, 2, 0, 4, starts=1)
    assert budget(timeout=None, trials=10, seeds=4).plan(20.0, math.inf) == Plan(3, 2, 2, 4, starts=1)
    assert budget(timeout=None, trials=30).plan(20.0, math.inf) == CAREFUL


@pytest.mark.parametrize(
    ("available", "plan"),
    [
        # six presets, 15 s a training on each of 2 processes, and 15 s besides:
        # 37.05 trainings, then (3 + 3 + 1) * 1.55 + 15 = 25.85, then 2 + 2 + 1 + 15 = 20, then 13
        (571, Plan(3, 2, 0, 5, starts=1)),
        (570, Plan(3, 2, 0, 5, presets=3)),
        (403, Plan(3, 2, 0, 5, presets=3)),
        (402, Plan(2, 1, 0, 5, presets=2)),
        (316, Plan(2, 1, 0, 5, presets=2)),
        (314, SMALLEST),
    ],
)
def test_the_verdict_keeps_its_five_seeds_as_long_as_it_can(available: float, plan: Plan) -> None:
    assert replace(budget(), presets=6).plan(20.0, available) == plan


def test_the_deadline_leaves_the_reserve_and_a_last_trial() -> None:
    b = budget()
    assert b.deadline(trials()) == pytest.approx(100 + 1000 - b.reserve(CAREFUL, 2.0) - 3.0)
    # trials took five times as long as calibrated: 15 s with evaluation are 10 s of training
    slow = trials((15.0, 1.0))
    assert b.deadline(slow) == pytest.approx(100 + 1000 - b.reserve(CAREFUL, 10.0) - 15.0)
    assert budget(timeout=None).deadline(slow) is None


def test_trials_get_a_share_however_long_the_rest_may_take() -> None:
    assert budget(200.0).deadline(trials()) == pytest.approx(100 + 0.3 * 1000)


def test_speed_is_what_the_search_met() -> None:
    met = trials((30.0, 1.0), (60.0, 2.0), (9.0, 0.0))
    assert measured_seconds(met, 2.0) == pytest.approx(30 / 1.5)  # evaluation is a part of what was met
    assert measured_seconds(met, 25.0) == 25.0
    assert measured_seconds(trials(), 2.0) == 2.0


def test_after_the_search_all_that_is_left_may_be_spent(now: SimpleNamespace) -> None:
    b = budget(18.0)
    assert b.plan(18.0, 500) != CAREFUL
    assert b.after_search(trials()) == CAREFUL
    now.now = 1000.0
    said: list[str] = []
    assert b.after_search(trials(), said.append) == SMALLEST
    # (2 + 1 + 1) + 9 trainings of 18 s at 1.5 passes on two processes, and 15: 190.5 s, of which 100 are left
    assert said == ["--timeout is short: the smallest confirmation and verdict take about 90 s longer"]


def test_a_race_ends_when_a_round_more_would_cost_the_verdict(now: SimpleNamespace) -> None:
    now.now = 1000.0  # 100 s left; 5 for the files
    # 4 entries and the smallest verdict, 9 trainings, on two processes
    assert budget().another_round(runs(14.0), 4)
    assert not budget().another_round(runs(15.0), 4)
    # runs take as long as planned, 3 s and the evaluation; 9 evaluations more of 18 s on two processes are 81 s
    assert not budget(evaluations=Evaluations(test=18.0)).another_round(runs(3.0), 4)
    assert budget(timeout=None).another_round(runs(1e9), 4)


def test_the_verdict_comes_before_the_minimiser(now: SimpleNamespace) -> None:
    now.now = 1000.0  # 95 s for runs: of the verdict 15 or 9, of the minimiser 3 for each of its seeds
    assert budget().rest(FULL, runs(7.0), 3) == FULL  # 52.5 + 31.5
    assert budget().rest(FULL, runs(9.0), 3) == replace(FULL, ablate_seeds=2)  # 67.5 + 27
    assert budget().rest(FULL, runs(12.0), 3) == replace(FULL, ablate_seeds=0)  # 90
    # a verdict of five seeds would take 97.5 s, one of three 58.5; 36.5 s are left, two seeds of the minimiser 39
    assert budget().rest(FULL, runs(13.0), 3) == replace(FULL, ablate_seeds=0, verdict_seeds=3)
    assert budget().rest(FULL, runs(100.0), 3) == replace(FULL, ablate_seeds=0, verdict_seeds=3)
    making = Evaluations(making_test=60.0)
    assert budget(evaluations=making).rest(FULL, runs(3.0), 3) == replace(FULL, ablate_seeds=2)  # 22.5 + 60 + 9
    assert budget(timeout=None).rest(FULL, runs(1e9), 3) == FULL
    without = replace(FULL, ablate_seeds=0)
    assert budget(timeout=None).rest(without, runs(2.0), 3) == without


def test_a_starting_policy_meets_in_the_verdict_where_there_is_time(now: SimpleNamespace) -> None:
    assert budget().reserve(CAREFUL, 2.0) == pytest.approx(budget().reserve(FULL, 2.0) + (2 * 2.1 + 5) * 3 / 2)
    now.now = 1000.0  # 95 s: four contestants take 20 runs of the verdict on two processes, three 15
    assert budget().rest(CAREFUL, runs(5.0), 3) == CAREFUL  # 50 + 22.5
    assert budget().rest(CAREFUL, runs(9.4), 3) == replace(CAREFUL, ablate_seeds=0)  # 94
    assert budget().rest(CAREFUL, runs(9.6), 3) == replace(CAREFUL, ablate_seeds=0, starts=0)  # 72 in place of 96


def test_evaluations_by_hand() -> None:
    frozen = [SimpleNamespace(group="search")] * 4 + [SimpleNamespace(group="held_out")] * 2
    fold = SimpleNamespace(search=range(100), confirm=range(200))
    task: Any = SimpleNamespace(frozen=frozen, folds=3, splits=SimpleNamespace(folds=[fold], test=range(500)))
    found = Evaluations.of(task, {"noisy_seconds": 0.5, "predict_seconds": 0.1})
    # three severities of four families on twice the rows; five severities of six on five times the rows
    assert (found.confirm, found.test) == pytest.approx((3 * 4 * 2 * 0.1, 5 * 6 * 5 * 0.1))
    assert (found.making_confirm, found.making_test) == pytest.approx((24 * 0.4 * 3, 150 * 0.4 * 3))


def test_further_seeds_only_where_they_fit() -> None:
    planned = budget(0.0, timeout=100.0)
    runs = [SimpleNamespace(seconds=10.0)]
    # 5 s stay for exporting; two at a time, ten seconds each: 18 take 90 s, 20 take 100 s
    assert planned.time_for(18, runs)  # type: ignore[arg-type]
    assert not planned.time_for(20, runs)  # type: ignore[arg-type]
