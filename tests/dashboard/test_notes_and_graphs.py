"""Notes, graphs and the gain of a technique, from trials made by hand."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import get_note
from study_samples import config_of, policy_of

from autonoise.dashboard import publish as publishing
from autonoise.dashboard.artifacts import profile_picture
from autonoise.dashboard.graphs import figures, front, use_over_time
from autonoise.dashboard.importance import gains
from autonoise.dashboard.notes import trial_note
from autonoise.dashboard.publish import OWN, _Storage, _Target, publish, worth_a_note
from autonoise.study.storage import metric_names, open_study
from autonoise.study.trial_record import TrialRecord, attributes

NOW = datetime(2026, 11, 26)
EVIL = "<img src=x onerror=alert(1)> [a](javascript:b) | `$x$`\x1b[31m"


def made(number: int, *names: str, state: TrialState = TrialState.COMPLETE, short: float | None = None, **facts: Any):
    policy = policy_of(*names)
    facts = {"policy": policy.to_dict(), "policy_hash": policy.hash, "passes": 1.0, "seconds": 2.0, "rung": 1} | facts
    value = facts.get("score") if state == TrialState.COMPLETE else None
    return FrozenTrial(
        number=number, trial_id=number, state=state, value=value, values=None, datetime_start=NOW,
        datetime_complete=NOW, params={}, distributions={}, user_attrs=attributes(**facts), system_attrs={},
        intermediate_values={} if short is None else {1: short},
    )  # fmt: skip


def record(*args: Any, **facts: Any) -> TrialRecord:
    return TrialRecord.of(made(*args, **facts))


def scored(number: int, *names: str, clean: float = 0.9, noisy: float = 0.7, **facts: Any) -> TrialRecord:
    return record(
        number, *names, **{"clean": clean, "noisy": noisy, "worst": 0.5, "score": (clean + noisy) / 2} | facts
    )


def test_the_first_line_of_a_trials_note_is_its_policy_in_words() -> None:
    base = scored(0, clean=0.9, noisy=0.7, worst=0.5)
    mine = scored(3, "dropout", "mixup", clean=0.91, noisy=0.68, worst_family="value_swap", passes=1.5)
    lines = trial_note(mine, base).split("\n")
    assert lines[0] == "mixup (alpha 0.3) + dropout (p 0.3 share of units)"
    assert lines[2] == "| technique | settings | how often | when | where |"
    numbers = next(line for line in lines if "0.910" in line)
    assert numbers == (
        "| 0.795 (−0.005) | 0.910 (+0.010) | 0.680 (−0.020) | 0.500 (±0.000), value swap "
        "| 1.50 passes per step, 2.0 s |"
    )
    assert trial_note(base, base).startswith("no noise\n") and "In brackets" not in trial_note(base, base)


def test_a_note_says_why_a_trial_ended_and_shows_markup_as_text() -> None:
    failed = record(1, "dropout", state=TrialState.FAIL, reason=EVIL)
    note = trial_note(failed)
    assert "**Failed**: \\<img src=x onerror=alert(1)\\> \\[a\\](javascript:b) \\| \\`\\$x\\$\\`" in note
    assert "\x1b" not in note
    pruned = record(1, "dropout", state=TrialState.PRUNED, reason="pruned after the short training", rung=0, clean=0.8)
    assert "**Given up**: pruned after the short training" in trial_note(pruned)
    assert "do not compare them" in trial_note(pruned)


def test_the_front_is_beaten_by_none() -> None:
    points = [(0.9, 0.5), (0.8, 0.6), (0.85, 0.55), (0.8, 0.55), (0.7, 0.6)]
    rows = [scored(i, clean=c, noisy=n) for i, (c, n) in enumerate(points)]
    assert [r.number for r in front(rows)] == [0, 2, 1]


def test_the_gain_of_a_technique_by_hand() -> None:
    on = [scored(i, "dropout", short=s, policy_hash=f"a{i}") for i, s in enumerate((0.8, 0.9, 1.0))]
    off = [scored(9 + i, "mixup", short=s, policy_hash=f"b{i}") for i, s in enumerate((0.5, 0.6, 0.7))]
    again = scored(20, "dropout", short=0.1, policy_hash="a0")
    found = {g.technique: g for g in gains([*on, *off, again])}["dropout"]
    # both sides have variance 0.01: the error is sqrt(0.02 / 3) = 0.08165, with 4 degrees of freedom t is 2.7764
    assert (found.on, found.off, found.short) == (3, 3, True)
    assert found.mean == pytest.approx(0.3)
    assert found.high - 0.3 == pytest.approx(2.7764 * 0.08165, abs=1e-4)
    assert 0.3 - found.low == pytest.approx(2.7764 * 0.08165, abs=1e-4)
    assert gains([*on, *off[:2]]) == []


def test_use_over_time_is_the_share_of_the_last_trials() -> None:
    drawn = [scored(i, "dropout" if i < 10 else "mixup") for i in range(30)]
    figure = use_over_time(drawn)
    assert figure is not None
    lines = {line.name: line.y for line in figure.data}
    assert lines["mixup"][14] == pytest.approx(5 / 15) and lines["mixup"][29] == 1.0
    assert lines["dropout"][9] == 1.0 and lines["dropout"][24] == pytest.approx(5 / 20)


def test_the_profile_is_the_best_trial_minus_no_noise_in_points() -> None:
    def measured(a: float, b: float) -> dict[str, Any]:
        return {"severities": [2, 4], "accuracy": {EVIL: [a, b], "real": [0.5]}}

    rows = [scored(0, profile=measured(0.7, 0.5)), scored(1, "dropout", clean=0.95, profile=measured(0.72, 0.45))]
    shown = figures(rows, None)
    assert set(shown) == {"clean-against-noisy", "robustness-profile", "use-over-time"}
    (heat,) = shown["robustness-profile"].data
    assert heat.z[0] == pytest.approx((2.0, -5.0)) and heat.customdata[0] == pytest.approx((0.7, 0.5))
    assert heat.x == ("2", "4") and "<" not in heat.y[0] and "&lt;img" in heat.y[0]
    picture = profile_picture(measured(0.7, 0.5), measured(0.6, 0.4), {})
    assert "<img" not in picture and picture.count("this trial") and picture.count("no noise")


def test_notes_go_to_the_best_and_the_last_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "NOTED", 4)
    done = [scored(i, "dropout", clean=0.5 + i / 100) for i in range(1, 6)] + [scored(6, clean=0.1)]
    given_up = [record(i, "mixup", state=TrialState.PRUNED) for i in range(7, 12)]
    assert [r.number for r in worth_a_note([*done, *given_up])] == [5, 6, 10, 11]
    assert [r.number for r in worth_a_note([*done, *given_up[:1]])] == [4, 5, 6, 7]
    assert [r.number for r in worth_a_note(done)] == [3, 4, 5, 6]


def test_what_somebody_wrote_into_a_note_stays(tmp_path: Path) -> None:
    from optuna_dashboard import save_note

    config = config_of(tmp_path, noise_weight=0.25)
    study = open_study(config, optuna.storages.InMemoryStorage())
    assert study.metric_names == metric_names(config) == ["score (75 % clean + 25 % noisy accuracy)"]
    for trial in (made(0, clean=0.9, noisy=0.7, score=0.85), made(1, "dropout", clean=0.8, noisy=0.9, score=0.83)):
        study.add_trial(trial)
    publish(study, config)
    first = get_note(study)
    assert first.startswith("# sample\n\n**There is no verdict yet**") and "trial 1 with a score of 0.830" in first
    assert first.endswith(OWN)

    def of(i: int) -> Any:
        return _Target(_Storage(study), study._study_id, study.get_trials()[i]._trial_id)

    assert get_note(of(1)).startswith("dropout (p ")
    save_note(study, f"{first}ask Ann")
    save_note(of(1), "mine")
    study.add_trial(made(2, "mixup", clean=0.95, noisy=0.9, score=0.94))
    publish(study, config)
    assert "trial 2 with a score of 0.940" in get_note(study) and get_note(study).endswith(f"{OWN}ask Ann")
    assert get_note(of(1)) == "mine" and get_note(of(2)).startswith("mixup (alpha ")
    before = dict(study._storage.get_study_system_attrs(study._study_id))
    publish(study, config)
    assert study._storage.get_study_system_attrs(study._study_id) == before


def test_a_failed_trial_without_a_policy_has_a_note_too() -> None:
    trial = made(4, state=TrialState.FAIL, reason="out of memory")
    del trial.user_attrs["autonoise.policy"]
    note = trial_note(TrialRecord.of(trial))
    assert note.startswith("no policy was drawn\n") and "**Failed**: out of memory" in note
    assert math.isnan(TrialRecord.of(trial).clean)
