"""Opening, comparing and cleaning up a study's storage."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState
from study_samples import config_of, new_study, space_of

from autonoise.errors import StudyError
from autonoise.study.folder import StudyFolder
from autonoise.study.storage import (
    claim,
    completed,
    finished,
    open_storage,
    open_study,
    sweep,
    taken,
    write_trials,
)
from autonoise.study.trial_record import PREFIX

_now = datetime.now


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def running(study: optuna.Study, pid: int | None, host: str = "") -> optuna.Trial:
    trial = study.ask()
    if pid is not None:
        trial.set_user_attr(PREFIX + "host", host or socket.gethostname())
        trial.set_user_attr(PREFIX + "pid", pid)
    return trial


def test_sweep_fails_what_is_dead_and_queues_it_again(dead: int) -> None:
    study, space = new_study(), space_of()
    killed = running(study, dead)
    space.suggest(killed)
    alive = running(study, os.getpid())
    space.suggest(alive)
    elsewhere = running(study, dead, host="another-machine")
    beginning = running(study, None)
    assert sweep(study) == 1
    states = [t.state for t in study.get_trials()]
    assert states == [TrialState.FAIL, *[TrialState.RUNNING] * 3, TrialState.WAITING]
    assert study.get_trials()[0].user_attrs[PREFIX + "reason"] == "its process was killed"
    again = study.ask()
    space.suggest(again)
    assert again.params == killed.params
    assert again.user_attrs[PREFIX + "retry_of"] == killed.number
    assert taken(study) == 4  # three in work and the retry; what is killed or queued does not count
    assert finished(study) == []  # a killed trial does not count towards --trials
    assert sweep(study) == 0  # the retry has just begun
    assert {alive.number, elsewhere.number, beginning.number} <= {
        t.number for t in study.get_trials() if t.state == TrialState.RUNNING
    }


def test_a_trial_that_never_said_whose_it_is_is_swept_later(monkeypatch: pytest.MonkeyPatch) -> None:
    study = new_study()
    study.enqueue_trial({"use.dropout": True})
    running(study, None)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return _now() + timedelta(minutes=5)

    assert sweep(study) == 0
    monkeypatch.setattr("autonoise.study.storage.datetime", Later)
    assert sweep(study) == 1
    assert study.get_trials()[1].system_attrs["fixed_params"] == {"use.dropout": True}


def test_other_directions_are_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    storage = open_storage(config.storage_url)
    open_study(config, storage)
    with pytest.raises(StudyError, match="another --objective") as e:
        open_study(config_of(tmp_path, objective="pareto"), storage)
    assert "\n" not in str(e.value)


def test_claims_are_kept_and_compared(tmp_path: Path) -> None:
    config, study = config_of(tmp_path), new_study()
    claim(study, config, {"space_hash": "abc", "data_fingerprint": "sha256:1"})
    claim(study, config, {"space_hash": "abc"})
    with pytest.raises(StudyError, match=r"another space hash \(abc now xyz\).*another --study name") as e:
        claim(study, config, {"space_hash": "xyz"})
    assert "\n" not in str(e.value)
    assert study.user_attrs[PREFIX + "space_hash"] == "abc"


def test_an_unreachable_storage_is_one_line_without_the_password() -> None:
    with pytest.raises(StudyError, match="cannot be opened") as e:
        open_storage("nonsense://me:secret@nowhere/db")
    assert "secret" not in str(e.value)
    assert "\n" not in str(e.value)


def test_trials_csv_has_a_row_per_trial(tmp_path: Path) -> None:
    study, folder = new_study(), StudyFolder(tmp_path)
    for clean in (0.9, 0.8):
        trial = study.ask({"std": optuna.distributions.FloatDistribution(0, 1)})
        for name, x in (("clean", clean), ("host", "h"), ("pid", 1), ("noisy.blur", 0.5)):
            trial.set_user_attr(PREFIX + name, x)
        study.tell(trial, clean)
    write_trials(study, folder)
    frame = pd.read_csv(folder.trials_file)
    assert frame["clean"].tolist() == [0.9, 0.8]
    assert {"number", "state", "std", "noisy.blur"} <= set(frame.columns)
    assert not {"host", "pid"} & set(frame.columns)


def test_completed_is_sorted_and_feasible() -> None:
    study = new_study()
    for score, drop in ((0.5, 0.0), (0.9, 0.1), (0.7, -0.1)):
        trial = study.ask()
        trial.set_user_attr(PREFIX + "score", score)
        trial.set_user_attr(PREFIX + "constraints", {"clean_drop": drop})
        study.tell(trial, score)
    assert [t.number for t in completed(study)] == [2, 0]
    assert [t.number for t in completed(study, feasible=False)] == [1, 2, 0]
