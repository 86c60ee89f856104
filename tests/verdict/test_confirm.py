"""The race, the minimiser and the choice of candidates with trainings whose results are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from study_samples import FakeRunner, policy_of, run_of, session_of, space_of

from autonoise.policy import Policy, Step
from autonoise.study.budget import Plan
from autonoise.study.folder import RunResult
from autonoise.study.trial_record import TrialRecord, attributes
from autonoise.verdict.conclude import _best_first, opponents
from autonoise.verdict.confirm import OPPONENTS, minimise, pick_candidates, race
from autonoise.verdict.trainings import Job

BASE = Policy("tabular", name="no-noise")


def entries_of(qualities: dict[str, tuple[float, str]]) -> tuple[dict[str, tuple[Policy, str]], dict[str, float]]:
    entries, quality = {}, {}
    for i, (name, (q, role)) in enumerate(qualities.items()):
        policy = BASE if role == "baseline" else policy_of("dropout", p=0.1 + 0.05 * i)
        entries[name], quality[policy.hash] = (policy, role), q
    return entries, quality


def test_clear_losers_leave_the_race() -> None:
    entries, quality = entries_of(
        {
            "baseline": (0.6, "baseline"),
            "weak preset": (0.65, "preset"),
            "best preset": (0.7, "preset"),
            "good": (0.9, "found"),
            "close": (0.89, "found"),
            "loser": (0.8, "found"),
        }
    )
    runner = FakeRunner(lambda job: quality[job.policy.hash])
    standings = race(session_of(), runner, entries, 3)
    per_policy = Counter(h for h, _ in runner.trained)
    trained = {name: per_policy[p.hash] for name, (p, _) in entries.items()}
    # "close" stays after the first seed; after the second it is behind beyond doubt
    assert trained == {"baseline": 3, "weak preset": 1, "best preset": 3, "good": 3, "close": 2, "loser": 1}
    assert [round(s.score, 2) for s in standings] == [0.9, 0.7, 0.6, 0.89, 0.8, 0.65]
    assert [s.role for s in standings[:3]] == ["found", "preset", "baseline"]
    assert standings[0].policy is entries["good"][0]
    assert (standings[0].clean, standings[0].noisy) == (pytest.approx(0.901), pytest.approx(0.901))


class RowRunner(FakeRunner):
    """Of ``rows`` rows a policy has that many right, clean and noisy; those of all policies are the first ones."""

    def run(self, jobs: Sequence[Job], **options: Any) -> list[RunResult | None]:
        out: list[RunResult | None] = []
        for job in jobs:
            self.trained.append((job.policy.hash, job.seed))
            right = (np.arange(self.rows) < round(self.quality(job) * self.rows)).astype(float)
            out.append(run_of(right, jitter=right))
        return out


@pytest.mark.parametrize(
    ("rows", "trainings"),
    [
        # one of 20 rows behind: .050, limit (.025^2 + (1.28 * .050)^2)^.5 = .069
        (20, 2),
        # one of 36: .028, more than the luck of a seed alone, limit .043
        (36, 2),
        # two of 40: .050, limit .051
        (40, 2),
        # three of 60: .050, limit .044
        (60, 1),
        # ten of 200: .050, limit .032
        (200, 1),
    ],
)
def test_few_rows_send_nobody_out_of_the_race_by_one_of_them(rows: int, trainings: int) -> None:
    entries, quality = entries_of({"baseline": (0.5, "baseline"), "a": (0.9, "found"), "b": (0.85, "found")})
    runner = RowRunner(lambda job: quality[job.policy.hash], rows=rows)
    race(session_of(), runner, entries, 2)
    assert Counter(h for h, _ in runner.trained)[entries["b"][0].hash] == trainings


def test_the_best_starting_policy_stays_as_the_best_preset_does() -> None:
    entries, quality = entries_of(
        {
            "baseline": (0.6, "baseline"),
            "preset": (0.65, "preset"),
            "start": (0.7, "start"),
            "other": (0.66, "start"),
            "good": (0.9, "found"),
        }
    )
    runner = FakeRunner(lambda job: quality[job.policy.hash])
    standings = race(session_of(), runner, entries, 2)
    per_policy = Counter(h for h, _ in runner.trained)
    assert {n: per_policy[p.hash] for n, (p, _) in entries.items()} == {
        "baseline": 2,
        "preset": 2,
        "start": 2,
        "other": 1,
        "good": 2,
    }
    found = entries["good"][0]
    met = opponents(standings, found, OPPONENTS)
    assert {label: p.hash for label, p in met.items()} == {
        "preset": entries["preset"][0].hash,
        "start": entries["start"][0].hash,
    }
    # what is chosen itself is nobody's opponent
    assert list(opponents(standings, entries["start"][0], OPPONENTS)) == ["preset"]
    assert list(opponents(standings, found, ("preset",))) == ["preset"]


def test_a_race_that_is_stopped() -> None:
    entries, quality = entries_of({"baseline": (0.6, "baseline"), "good": (0.9, "found")})
    runner = FakeRunner(lambda job: quality[job.policy.hash])
    assert race(session_of(stopped=True), runner, entries, 3) == []
    assert runner.trained == []


def test_a_technique_that_does_not_help_is_left_out() -> None:
    worth = {"gaussian_noise": 0.05, "dropout": 0.0, "mixup": 0.03}
    policy = policy_of("gaussian_noise", "dropout", "mixup")
    runner = FakeRunner(lambda job: 0.7 + sum(worth[s.name] for s in job.policy.steps))
    smaller, found = minimise(session_of(), runner, policy, 2)
    assert {s.name for s in smaller.steps} == {"gaussian_noise", "mixup"}
    assert {c.technique: c.kept for c in found} == {"gaussian_noise": True, "dropout": False, "mixup": True}
    assert {c.technique: round(c.interval.mean, 6) for c in found} == worth


def test_techniques_that_stand_in_for_each_other_are_not_both_removed() -> None:
    def quality(job: Job) -> float:
        names = {s.name for s in job.policy.steps}
        return 0.7 + 0.05 * ("gaussian_noise" in names) + 0.1 * bool(names & {"dropout", "mixup"})

    policy = policy_of("gaussian_noise", "dropout", "mixup")
    smaller, found = minimise(session_of(), FakeRunner(quality), policy, 2)
    assert [s.name for s in smaller.steps] == ["gaussian_noise", "dropout"]
    assert {c.technique: c.kept for c in found} == {"gaussian_noise": True, "dropout": True, "mixup": False}


def test_of_what_cannot_all_go_as_much_goes_as_costs_nothing() -> None:
    def quality(job: Job) -> float:
        return {4: 0.7, 3: 0.7, 2: 0.6, 1: 0.5}[len(job.policy.steps)]

    policy = policy_of("gaussian_noise", "dropout", "mixup", "label_smoothing")
    smaller, found = minimise(session_of(), FakeRunner(quality), policy, 2)
    assert len(smaller.steps) == 3
    assert sum(not c.kept for c in found) == 1


def test_where_nothing_helps_the_least_useless_stays() -> None:
    worth = {"gaussian_noise": -0.02, "dropout": 0.001, "mixup": -0.01}
    policy = policy_of("gaussian_noise", "dropout", "mixup")
    runner = FakeRunner(lambda job: 0.7 + sum(worth[s.name] for s in job.policy.steps))
    smaller, _ = minimise(session_of(), runner, policy, 2)
    assert [s.name for s in smaller.steps] == ["dropout"]


def test_one_technique_has_nothing_to_leave_out() -> None:
    policy, runner = policy_of("dropout"), FakeRunner(lambda job: 0.5)
    assert minimise(session_of(), runner, policy, 2) == (policy, [])
    assert runner.trained == []


def trial_of(policy: Policy, clean: float, noisy: float) -> Any:
    facts = attributes(policy=policy.to_dict(), clean=clean, noisy=noisy)
    return TrialRecord.of(optuna.trial.create_trial(value=clean, user_attrs=facts))


def test_candidates_are_the_best_and_the_most_robust_and_differ() -> None:
    policies = [policy_of("dropout", p=0.1 * (i + 1)) for i in range(5)]
    trials = [trial_of(p, 0.9 - 0.1 * i, 0.5) for i, p in enumerate(policies)]
    trials.insert(1, trial_of(policies[0], 0.9, 0.5))
    trials.insert(1, trial_of(BASE, 0.9, 0.5))
    trials[-1] = trial_of(policies[4], 0.5, 0.95)
    found = pick_candidates(trials, 3)
    assert [p.hash for p in found] == [policies[i].hash for i in (0, 4, 1)]


def test_the_plan_counts_its_trainings() -> None:
    assert Plan(4, 3, 2, 5, starts=2).trainings(presets=2, techniques=3) == pytest.approx(9 * 2.1 + 6 + 20)
    assert Plan(4, 3, 2, 5).trainings(presets=2, techniques=3) == pytest.approx(7 * 2.1 + 6 + 15)
    assert Plan(2, 1, 0, 3).trainings(presets=1, techniques=3) == pytest.approx(4 + 9)
    assert Plan(2, 1, 0, 3, presets=1).trainings(presets=4, techniques=3) == pytest.approx(4 + 9)


def test_presets_that_the_search_liked_come_first() -> None:
    presets = [policy_of("dropout"), policy_of("mixup"), policy_of("gaussian_noise"), policy_of("label_smoothing")]
    trials = [
        TrialRecord.of(SimpleNamespace(user_attrs=attributes(policy_hash=presets[i].hash, score=score)))
        for i, score in ((1, 0.7), (2, 0.8))
    ]
    assert _best_first(presets, trials, space_of()) == [presets[i] for i in (2, 1, 0, 3)]


def test_a_preset_outside_the_space_counts_as_the_nearest_policy_inside() -> None:
    outside = Policy("tabular", (Step.of("dropout", p=0.9), Step.of("two_view_consistency")))
    others = [policy_of("mixup", alpha=0.5), policy_of("mixup", alpha=0.6)]
    nearest = policy_of("dropout", p=0.5)  # the space goes to 0.5, and has no consistency
    trials = [
        TrialRecord.of(SimpleNamespace(user_attrs=attributes(policy_hash=p.hash, score=score)))
        for p, score in ((others[0], 0.7), (nearest, 0.75), (others[1], 0.8))
    ]
    assert _best_first([others[0], outside, others[1]], trials, space_of()) == [others[1], outside, others[0]]
