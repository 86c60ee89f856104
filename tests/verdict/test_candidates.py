"""Which policies are confirmed and which is chosen: luck on a few rows stands back behind what all measurements say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from study_samples import config_of, new_study, policy_of, run_of, session_of, space_of

from autonoise.policy import Policy
from autonoise.study.learned import Guide, Learned, Own
from autonoise.study.session import Session
from autonoise.study.trial_record import TrialRecord, write_facts
from autonoise.trials.guided import Sizes
from autonoise.verdict import candidates as module
from autonoise.verdict.candidates import by_promise, candidates, starts
from autonoise.verdict.confirm import Standing

DROP, MIX, NOISE = policy_of("dropout", p=0.3), policy_of("mixup"), policy_of("gaussian_noise")


def standing(policy: Policy, score: float, rows: int, role: str = "found", seeds: int = 3) -> Standing:
    run = run_of(np.ones(rows))
    return Standing(policy, role, (run,) * seeds, score, score, score)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """A study whose trials saw a gain of mixup and a loss of dropout."""
    space = space_of()
    guide = Guide(Learned.nothing(space.data_type), {"size": 1.0}, techniques=list(space.techniques))
    study = new_study()
    for policy, score in ((Policy("tabular"), 0.8), (MIX, 0.85), (DROP, 0.76), (NOISE, 0.84)):
        trial = study.ask()
        trial.set_user_attr("autonoise.policy", policy.to_dict())
        write_facts(trial, policy_hash=policy.hash, clean=0.9, noisy=0.7, score=score)
        study.tell(trial, score)
    monkeypatch.setattr(module, "guide_of", lambda config, space, task: guide)
    monkeypatch.setattr(module, "sizes_of", lambda config, task: Sizes(1000, 512, 30))
    return session_of(config=config_of(tmp_path), study=study)


def raced(rows: int) -> list[Standing]:
    base = Standing(Policy("tabular"), "baseline", (run_of(np.ones(rows)),) * 3, 0.8, 0.9, 0.7)
    return [standing(DROP, 0.845, rows), standing(MIX, 0.84, rows), base, standing(NOISE, 0.9, rows, seeds=2)]


def test_luck_on_few_rows_stands_behind_what_the_trials_say(session: Session) -> None:
    found = by_promise(session, raced(60))
    # the policy that left the race early cannot win, and no noise is no candidate
    assert [s.policy.hash for s in found] == [MIX.hash, DROP.hash]


def test_many_rows_and_seeds_outweigh_the_trials(session: Session) -> None:
    far = [standing(DROP, 0.93, 40_000), *raced(40_000)[1:]]
    assert [s.policy.hash for s in by_promise(session, far)] == [DROP.hash, MIX.hash]


def test_other_engines_go_by_the_score(session: Session) -> None:
    session.config = config_of(Path(session.config.out), engine="tpe")
    assert [s.policy.hash for s in by_promise(session, raced(60))] == [DROP.hash, MIX.hash]
    assert starts(session) == list(session.space.seeds)
    trials = [t for t in map(TrialRecord.of, session.study.get_trials()) if t.scored]
    trials = sorted(trials, key=lambda t: -t.score)
    assert [p.hash for p in candidates(session, trials, 2)] == [MIX.hash, NOISE.hash]


def test_the_best_score_is_confirmed_beside_the_highest_lower_bounds(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = [t for t in map(TrialRecord.of, session.study.get_trials()) if t.scored]
    trials = sorted(trials, key=lambda t: -t.score)
    ranked = [(NOISE, 0.3, 0.1), (DROP, 0.1, 0.1), (MIX, 0.0, 0.5)]
    monkeypatch.setattr(module, "promising", lambda records, own, guide: ranked)
    assert [p.hash for p in candidates(session, trials, 2)] == [NOISE.hash, MIX.hash]
    assert [p.hash for p in candidates(session, trials, 3)] == [NOISE.hash, DROP.hash, MIX.hash]


def test_starting_policies_are_the_portfolio_as_the_space_allows_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio = (policy_of("dropout", p=0.9), policy_of("swap_noise"), MIX)
    learned: Any = SimpleNamespace(portfolio=portfolio)
    monkeypatch.setattr(module, "guide_of", lambda config, space, task: SimpleNamespace(learned=learned))
    session.space = space_of(seeds=[{"name": "mine", "steps": [{"technique": "gaussian_noise", "std": 0.5}]}])
    found = starts(session)
    assert [[s.name for s in p.steps] for p in found] == [["dropout"], ["mixup"], ["gaussian_noise"]]
    assert found[0].steps[0].technique.p == 0.5  # type: ignore[attr-defined]
    assert found[2].name == "mine"


def asked_of(session: Session, patch: pytest.MonkeyPatch) -> list[Own]:
    """The measurements that the session's model is asked with, in a list that fills."""
    seen: list[Own] = []
    guide = module.guide_of(session.config, session.space, session.task)
    patch.setattr(
        guide,
        "predict",
        lambda policies, own: (seen.append(own), (np.zeros(len(policies)), np.zeros(len(policies))))[1],
    )
    return seen


def test_the_race_counts_with_the_error_of_its_rows_and_seeds(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asked_of(session, monkeypatch)
    by_promise(session, raced(100))
    (own,) = seen
    assert [p.hash for p in own.policies[-3:]] == [DROP.hash, MIX.hash, NOISE.hash]
    # one unit of gain is half of the gap of .2; 100 rows and 3 (2) seeds
    assert own.gains[-3:] == pytest.approx([0.45, 0.4, 1.0])
    assert own.errors[-3:] == pytest.approx(
        [
            np.sqrt(0.006**2 / 3 + 0.00015) / 0.1,
            np.sqrt(0.006**2 / 3 + 0.00015) / 0.1,
            np.sqrt(0.006**2 / 2 + 0.00015) / 0.1,
        ]
    )


def test_trainings_on_several_folds_rest_on_the_rows_of_each(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = asked_of(session, monkeypatch)
    monkeypatch.setattr(session.task, "folds", 2)
    by_promise(session, raced(100))
    assert seen[0].errors[-3] == pytest.approx(np.sqrt(0.006**2 / 3 + 0.015 / 200) / 0.1)


def test_where_the_baseline_alone_came_to_the_end_the_others_are_left(session: Session) -> None:
    base = raced(60)[2]
    left = [standing(DROP, 0.7, 60, seeds=1), standing(MIX, 0.75, 60, seeds=1)]
    assert {s.policy.hash for s in by_promise(session, [base, *left])} == {DROP.hash, MIX.hash}
