"""The guided sampler: candidates, expected improvement, nothing twice, and that it finds what is good."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from study_samples import policy_of, space_of

from autonoise.policy import Policy
from autonoise.study.learned import Guide, Learned
from autonoise.study.trial_record import write_facts
from autonoise.trials.guided import GuidedSampler, Sizes, expected_improvement, own_of, promising
from autonoise.trials.proposals import Draw, crossed, proposals
from autonoise.trials.sampler import PriorRandomSampler

WIDE = space_of(
    techniques={
        n: {}
        for n in (
            "gaussian_noise",
            "dropout",
            "mixup",
            "swap_noise",
            "feature_masking",
            "label_smoothing",
            "weight_noise",
        )
    },
    expected_techniques=2.0,
    max_techniques=3,
)
SIZES = Sizes(1000, 512, 30)


def guide() -> Guide:
    return Guide(Learned.nothing(WIDE.data_type), {"size": 1.0}, techniques=list(WIDE.techniques))


def gain_of(policy: Policy) -> float:
    """Swap noise helps the more the nearer its fraction is to .3, dropout a little, weight noise harms."""
    by_name = {s.name: s for s in policy.steps}
    value = 0.0
    if "swap_noise" in by_name:
        value += 0.06 - 0.12 * abs(by_name["swap_noise"].technique.fraction - 0.3)  # type: ignore[attr-defined]
    return value + 0.01 * ("dropout" in by_name) - 0.04 * ("weight_noise" in by_name)


def searched(sampler: Any, trials: int) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial(WIDE.parameters_of(Policy("tabular")))
    for _ in range(trials):
        trial = study.ask()
        policy = WIDE.suggest(trial)
        gain = gain_of(policy)
        write_facts(
            trial,
            policy_hash=policy.hash,
            passes=1.0,
            clean=0.9,
            noisy=0.7 + 2 * gain,
            worst=0.5,
            score=0.8 + gain,
            rung=1,
        )
        study.tell(trial, 0.8 + gain)
    return study


def test_expected_improvement_by_hand() -> None:
    # standard tables: phi(0) = .39894, phi(1) = .24197, Phi(1) = .84134
    assert expected_improvement(np.array([1.0]), np.array([2.0]), 1.0)[0] == pytest.approx(2 * 0.39894, abs=1e-4)
    assert expected_improvement(np.array([3.0]), np.array([2.0]), 1.0)[0] == pytest.approx(
        2 * 0.84134 + 2 * 0.24197, abs=1e-4
    )
    assert expected_improvement(np.array([3.0, 0.5]), np.zeros(2), 1.0) == pytest.approx([2.0, 0.0])


def test_no_policy_is_tried_twice_and_the_good_one_is_found() -> None:
    guided = searched(GuidedSampler(WIDE, guide(), SIZES, seed=0), 16)
    hashes = [Policy.from_trial(t).hash for t in guided.get_trials()]
    assert len(set(hashes)) == len(hashes)
    late = np.mean([gain_of(Policy.from_trial(t)) for t in guided.get_trials()[8:]])
    random = [
        gain_of(Policy.from_trial(t)) for t in searched(PriorRandomSampler(prior=WIDE.prior, seed=0), 60).get_trials()
    ]
    assert late > np.mean(random) + 0.02  # it stays where it is good
    assert guided.best_value > 0.8 + 0.03


def test_equal_seeds_give_equal_trials() -> None:
    first, again, other = (searched(GuidedSampler(WIDE, guide(), SIZES, seed=s), 4) for s in (3, 3, 4))
    assert [t.params for t in first.get_trials()] == [t.params for t in again.get_trials()]
    assert [t.params for t in first.get_trials()] != [t.params for t in other.get_trials()]


def test_before_the_baseline_policies_follow_the_prior() -> None:
    study = optuna.create_study(sampler=GuidedSampler(WIDE, guide(), SIZES, seed=0))
    steps = [len(WIDE.suggest(study.ask()).steps) for _ in range(40)]
    assert np.mean(steps) == pytest.approx(2.0, abs=0.5)


def test_gains_of_trials_by_hand() -> None:
    study = optuna.create_study(direction="maximize")
    rows = [(Policy("tabular"), 0.8), (policy_of("dropout"), 0.85), (policy_of("mixup"), 0.76)]
    for policy, score in rows:
        trial = study.ask()
        trial.set_user_attr("autonoise.policy", policy.to_dict())
        write_facts(trial, policy_hash=policy.hash, clean=0.9, noisy=0.7, score=score)
        study.tell(trial, score)
    short, running = study.ask(), study.ask()
    for trial, name in ((short, "swap_noise"), (running, "weight_noise")):
        trial.set_user_attr("autonoise.policy", policy_of(name).to_dict())
        write_facts(trial, policy_hash=policy_of(name).hash)
    short.report(0.81, step=1)
    study.tell(short, state=TrialState.PRUNED)
    own, records = own_of(study, guide(), SIZES)
    assert [r.techniques for r in records] == [("dropout",), ("mixup",), ("swap_noise",), ("weight_noise",)]
    assert own.gains[:3] == pytest.approx([0.5, -0.4, 0.1])  # one unit is half of the gap of .2
    full = np.sqrt(0.006**2 + 0.015 / 1000) / 0.1
    assert own.errors == pytest.approx([full, full, np.sqrt(0.006**2 + 0.012**2 + 0.015 / 512) / 0.1, full])
    ranked = promising(records, own, guide())
    assert ranked[0][0].hash == policy_of("dropout").hash and ranked[-1][0].hash == policy_of("mixup").hash
    assert 0 < ranked[0][1] < 0.5  # shrunken towards no gain


def test_nothing_is_known_before_the_baseline() -> None:
    assert own_of(optuna.create_study(), guide(), SIZES)[1] == []
    assert promising([], own_of(optuna.create_study(), guide(), SIZES)[0], guide()) == []


def test_tuning_moves_numbers_only() -> None:
    parent = WIDE.parameters_of(policy_of("dropout", "mixup"))
    made = proposals(WIDE, [parent], np.random.default_rng(0), 60, tuning=True)
    assert len(made) > 20
    assert {tuple(sorted(s.name for s in p.steps)) for p, _ in made} == {("dropout", "mixup")}
    rates = [next(s.technique.p for s in p.steps if s.name == "dropout") for p, _ in made]  # type: ignore[attr-defined]
    assert np.std(rates) > 0.01
    assert sum(p["dropout.p"] == parent["dropout.p"] for _, p in made) == pytest.approx(
        0.4 * len(made), abs=0.2 * len(made)
    )


def test_proposals_give_back_the_parameters_that_make_them() -> None:
    made = proposals(WIDE, [WIDE.parameters_of(policy_of("dropout"))], np.random.default_rng(1), 80)
    assert len({p.hash for p, _ in made}) > 0.8 * len(made)
    assert {len(p.steps) for p, _ in made} >= {1, 2, 3}
    for policy, params in made[:20]:
        assert WIDE.suggest(optuna.trial.FixedTrial(params)).hash == policy.hash


def test_a_draw_stays_inside_its_range() -> None:
    rng = np.random.default_rng(2)
    for parent in (None, {"a": 0.99, "b": 7, "c": "x"}):
        for _ in range(200):
            draw = Draw(rng, 0.5, parent)
            assert 0.1 <= draw.suggest_float("a", 0.1, 1.0, log=True) <= 1.0
            assert draw.suggest_int("b", 3, 7) in range(3, 8)
            assert draw.suggest_categorical("c", ["x", "y"]) in ("x", "y")
    places = [Draw(rng, 0.5).suggest_float("a", 0.01, 1.0, log=True) for _ in range(400)]
    assert np.median(np.log10(places)) == pytest.approx(-1.0, abs=0.15)


def test_crossing_keeps_what_both_have_and_takes_numbers_with_their_technique() -> None:
    a = {"use.dropout": True, "dropout.p": 0.1, "use.mixup": False, "use.sam": True, "sam.rho": 0.1}
    b = {"use.dropout": True, "dropout.p": 0.9, "use.mixup": False, "use.sam": False}
    made = [crossed(a, b, np.random.default_rng(s)) for s in range(300)]
    assert all(c["use.dropout"] and not c["use.mixup"] for c in made)
    assert {c["dropout.p"] for c in made} == {0.1, 0.9}
    assert np.mean([c["use.sam"] for c in made]) == pytest.approx(2 / 3, abs=0.09)


def test_of_a_long_search_the_best_and_the_last_trials_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autonoise.trials.guided.REMEMBERED", 2)
    study = optuna.create_study(direction="maximize")
    scores = [0.8, 0.95, 0.81, 0.1, 0.9, 0.82, 0.83]
    for i, score in enumerate(scores):
        policy = policy_of("dropout", p=0.1 * i) if i else Policy("tabular")
        trial = study.ask()
        trial.set_user_attr("autonoise.policy", policy.to_dict())
        write_facts(trial, policy_hash=policy.hash, clean=0.9, noisy=0.7, score=score)
        study.tell(trial, score)
    own, records = own_of(study, guide(), SIZES)
    assert len(records) == 6  # none of them is proposed again
    assert own.gains == pytest.approx([1.5, 1.0, 0.2, 0.3])
    monkeypatch.setattr("autonoise.trials.guided.REMEMBERED", 3)
    # what a failed training lost is bounded
    assert own_of(study, guide(), SIZES)[0].gains == pytest.approx([1.5, 0.1, -3.0, 1.0, 0.2, 0.3])


def test_what_costs_too_much_is_not_proposed() -> None:
    costly = space_of(techniques={"fgsm": {}, "dropout": {}}, expected_techniques=1.5)

    def steps(max_cost: float | None) -> set[str]:
        place = Guide(Learned.nothing(costly.data_type), {"size": 1.0}, techniques=list(costly.techniques))
        study = optuna.create_study(
            direction="maximize", sampler=GuidedSampler(costly, place, SIZES, seed=0, max_cost=max_cost)
        )
        study.enqueue_trial(costly.parameters_of(Policy("tabular")))
        found = set()
        for i in range(8):
            trial = study.ask()
            policy = costly.suggest(trial)
            score = 0.8 + 0.01 * i
            write_facts(trial, policy_hash=policy.hash, clean=0.9, noisy=0.7, score=score, rung=1)
            study.tell(trial, score)
            found |= {s.name for s in policy.steps} if i > 1 else set()  # the first is drawn with the prior
        return found

    assert steps(None) == {"fgsm", "dropout"}
    assert steps(1.0) == {"dropout"}


def test_what_breaks_a_limit_is_no_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study(direction="maximize", sampler=GuidedSampler(WIDE, guide(), SIZES, seed=0))
    rows = [(Policy("tabular"), 0.8, 0.0), (policy_of("dropout"), 0.99, 0.1), (policy_of("mixup"), 0.82, -0.1)]
    for policy, score, excess in rows:
        trial = study.ask()
        trial.set_user_attr("autonoise.policy", policy.to_dict())
        write_facts(
            trial, policy_hash=policy.hash, clean=0.9, noisy=0.7, score=score, constraints={"clean_drop": excess}
        )
        study.tell(trial, score)
    seen: list[Any] = []
    monkeypatch.setattr(
        "autonoise.trials.guided.proposals", lambda space, parents, *a, **k: (seen.extend(parents), [])[1]
    )
    WIDE.suggest(study.ask())
    assert seen == [WIDE.parameters_of(policy_of("mixup"))]


def test_what_was_scored_is_passed_over_among_the_proposals(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study(direction="maximize", sampler=GuidedSampler(WIDE, guide(), SIZES, seed=0))
    for policy, score in ((Policy("tabular"), 0.8), (policy_of("dropout"), 0.9)):
        trial = study.ask()
        trial.set_user_attr("autonoise.policy", policy.to_dict())
        write_facts(trial, policy_hash=policy.hash, clean=0.9, noisy=0.7, score=score)
        study.tell(trial, score)
    again, new = (WIDE.parameters_of(policy_of(name)) for name in ("dropout", "weight_noise"))
    made = [(policy_of("dropout"), again), (policy_of("weight_noise"), new)]
    monkeypatch.setattr("autonoise.trials.guided.proposals", lambda *a, **k: made)
    assert [s.name for s in WIDE.suggest(study.ask()).steps] == ["weight_noise"]


def test_parents_are_the_most_promising_and_the_last_quarter_tunes_every_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampler = GuidedSampler(WIDE, guide(), Sizes(1000, 512, 12), seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    scores = {"dropout": 0.81, "mixup": 0.9, "swap_noise": 0.83, "weight_noise": 0.72, "label_smoothing": 0.86}
    for policy, score in [(Policy("tabular"), 0.8), *((policy_of(name), s) for name, s in scores.items())]:
        trial = study.ask()
        trial.set_user_attr("autonoise.policy", policy.to_dict())
        write_facts(trial, policy_hash=policy.hash, clean=0.9, noisy=0.7, score=score)
        study.tell(trial, score)
    asked: list[tuple[list[list[str]], bool]] = []

    def note(space: Any, parents: Any, *rest: Any, tuning: bool) -> list[Any]:
        asked.append(([[k for k, on in p.items() if k.startswith("use.") and on] for p in parents], tuning))
        return []

    monkeypatch.setattr("autonoise.trials.guided.proposals", note)
    for _ in range(6):  # numbers 6 to 11 of 12: the last quarter begins with 9
        WIDE.suggest(study.ask())
    best = [[f"use.{n}"] for n in ("mixup", "label_smoothing", "swap_noise", "dropout", "weight_noise")]
    assert [tuning for _, tuning in asked] == [False, False, False, False, True, False]
    assert asked[0][0] == best
    assert len(asked[4][0]) == 3  # the best three alone, of what was tried and what runs


def test_changed_policies_lose_15_in_100_techniques_and_gain_one_every_second_time() -> None:
    parent = WIDE.parameters_of(policy_of("dropout"))
    draws = [Draw(np.random.default_rng(i), WIDE.prior, parent) for i in range(2000)]
    for draw in draws:
        WIDE.suggest(draw)
    kept = np.mean([d.params["use.dropout"] for d in draws])
    gained = np.mean([sum(bool(v) for k, v in d.params.items() if k.startswith("use.")) for d in draws]) - kept
    # standard errors: .008 and .015
    assert kept == pytest.approx(0.85, abs=0.03)
    assert gained == pytest.approx(0.5, abs=0.06)


def test_one_in_four_proposals_is_drawn_anew() -> None:
    space = space_of(techniques={"dropout": {}, "mixup": {}}, expected_techniques=1.0)
    made = proposals(space, [space.parameters_of(policy_of("dropout"))], np.random.default_rng(2), 3000)
    has = np.mean([any(s.name == "dropout" for s in policy.steps) for policy, _ in made])
    # Changed: dropout stays in 85 of 100, and mixup (the one that is off) comes in one of two, so that 1 - .15 * .5
    # have a step. New: each with probability 1/2, and 3 in 4 have a step. Of .75 * .925 + .25 * .75 = .881 with a step
    # .75 * .85 + .25 * .5 = .7625 have dropout.
    assert has == pytest.approx(0.7625 / 0.88125, abs=0.03)
