"""What is told of each worker: its trials by how they ended, and whether it is stalled."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from autonoise.study import workers
from autonoise.study.trial_record import KILLED, write_facts
from autonoise.study.workers import worker_line, worker_rows


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def a_trial(study: optuna.Study, mark: str, state: TrialState = TrialState.COMPLETE, **facts: object) -> int:
    trial = study.ask()
    if mark:
        write_facts(trial, host="shop", pid=7, process=mark, **facts)
    if state != TrialState.RUNNING:
        study.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)
    return trial.number


def test_a_number_that_came_back_after_a_reboot_is_another_worker(study: optuna.Study) -> None:
    for mark in ("boot1:7:100", "boot2:7:300", "boot1:7:100"):
        a_trial(study, mark)
    assert [(r["worker"], r["finished"]) for r in worker_rows(study)] == [("shop:7", 2), ("shop:7", 1)]


def test_a_worker_is_stalled_whatever_it_did_afterwards(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = a_trial(study, "a", TrialState.RUNNING)
    a_trial(study, "a")
    a_trial(study, "b", TrialState.RUNNING)
    monkeypatch.setattr(workers, "dead_trials", lambda study: [t for t in study.trials if t.number == lost])
    assert [r["stalled"] for r in worker_rows(study)] == [True, False]
    assert [worker_line(r) for r in worker_rows(study)] == [
        "shop:7  1 running · 1 finished  stalled",
        "shop:7  1 running",
    ]


def test_each_trial_counts_once_by_how_it_ended(study: optuna.Study) -> None:
    a_trial(study, "")  # somebody else's, without a word of who ran it
    study.enqueue_trial({})
    for state, reason in (
        (TrialState.RUNNING, ""),
        (TrialState.PRUNED, ""),
        (TrialState.FAIL, "ValueError: no"),
        (TrialState.FAIL, KILLED),
        (TrialState.FAIL, KILLED),
    ):
        if state == TrialState.RUNNING:
            assert study.get_trials(states=(TrialState.WAITING,))
        a_trial(study, "a", state, reason=reason)
    (row,) = worker_rows(study)
    assert {k: row[k] for k in ("running", "finished", "pruned", "failed", "retried")} == {
        "running": 1,
        "finished": 0,
        "pruned": 1,
        "failed": 1,
        "retried": 2,
    }


def test_a_queued_trial_of_a_lost_worker_is_nobodys_yet(study: optuna.Study) -> None:
    """It keeps the facts of what was asked, not who was at it; one that was taken on counts for whoever did."""
    study.add_trial(
        optuna.trial.create_trial(state=TrialState.WAITING, user_attrs={"autonoise.pid": 7, "autonoise.host": "shop"})
    )
    assert worker_rows(study) == []
    trial = study.ask()
    assert trial.number == 0
    assert [r["running"] for r in worker_rows(study)] == [1]
