"""A database that does not answer: what is waited for, what is told, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, PendingRollbackError

from autonoise.errors import StudyError
from autonoise.study import patient
from autonoise.study.patient import PATIENCE, PatientStorage, passing


class DriverError(Exception):
    def __init__(self, sqlstate: str | None = None, text: str = "the server closed the connection") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def lost(code: str | None = None, **how: Any) -> OperationalError:
    return OperationalError("SELECT 1", {}, DriverError(code), **how)


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PatientStorage]:
    """One that takes its faults for those of a server; the clock runs a thousandth each time it is read."""
    made = PatientStorage(f"sqlite:///{tmp_path}/study.db", heartbeat_interval=60, grace_period=180)
    made.local = False
    clock = [0.0]

    def tick(seconds: float = 0.001) -> float:
        clock[0] += seconds
        return clock[0]

    monkeypatch.setattr(patient.time, "monotonic", tick)
    monkeypatch.setattr(patient.time, "sleep", tick)
    yield made
    made.remove_session()
    made.engine.dispose()


def faulty(monkeypatch: pytest.MonkeyPatch, name: str, faults: list[Exception]) -> None:
    """The storage's method raises these first."""
    method = getattr(RDBStorage, name)

    def call(self: Any, *args: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop(0)
        return method(self, *args, **options)

    monkeypatch.setattr(RDBStorage, name, call)


@pytest.mark.parametrize("code", [None, "08006", "40001", "40P01", "57P01", "57P02", "57P03", "53300"])
def test_what_passes(code: str | None) -> None:
    assert passing(lost(code), local=False)
    wrapped = StorageInternalError("commit")
    wrapped.__cause__ = lost(code)
    assert passing(wrapped, local=False)


def test_what_does_not_pass() -> None:
    assert not passing(lost("53100"), local=False)  # a full disk
    assert not passing(lost("42P01"), local=False)  # a table that is not there
    assert not passing(IntegrityError("INSERT", {}, DriverError()), local=False)
    assert not passing(StorageInternalError("too long"), local=False)
    assert passing(IntegrityError("INSERT", {}, DriverError("57P01"), connection_invalidated=True), local=False)
    assert passing(InterfaceError("SELECT", {}, DriverError()), local=False)
    assert passing(PendingRollbackError(), local=False)
    assert passing(OperationalError("SELECT", {}, DriverError(text="database is locked")), local=True)
    assert not passing(OperationalError("INSERT", {}, DriverError(text="database or disk is full")), local=True)


def test_it_waits_with_growing_pauses_and_says_so_once(storage: PatientStorage) -> None:
    told: list[str] = []
    at: list[float] = []
    storage.say = told.append

    def call() -> str:
        at.append(patient.time.monotonic())
        if len(at) < 6:
            raise lost()
        return "here"

    assert storage.patiently(call) == "here"
    pauses = [b - a for a, b in pairwise(at)]
    for pause, most in zip(pauses, (1, 2, 4, 8, 16), strict=True):
        assert most / 2 <= pause <= most + 0.5
    assert told[0].startswith("the storage does not answer (") and "the server closed the connection" in told[0]
    assert "30 minutes" in told[0]
    assert told[1:] == [f"the storage answers again after {at[-1]:.0f} s; going on"]


def test_it_gives_up_in_the_end_and_stays_so(storage: PatientStorage) -> None:
    storage.say = lambda text: None
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        raise lost()

    with pytest.raises(StudyError, match=r"has not answered for .* run the same command"):
        storage.patiently(call)
    assert PATIENCE < patient.time.monotonic() < PATIENCE + 40
    before = calls
    with pytest.raises(StudyError):
        storage.patiently(call)
    assert calls == before + 1


def test_a_stop_ends_the_waiting(storage: PatientStorage) -> None:
    storage.say = lambda text: None
    storage.stop = lambda: patient.time.monotonic() > 3
    with pytest.raises(StudyError, match="stopped while the storage did not answer"):
        storage.patiently(lambda: (_ for _ in ()).throw(lost()))
    assert patient.time.monotonic() < 4


def test_another_fault_is_raised_at_once(storage: PatientStorage) -> None:
    with pytest.raises(OperationalError):
        storage.patiently(lambda: (_ for _ in ()).throw(lost("53100")))
    assert patient.time.monotonic() < 0.1


def test_a_study_goes_on_whichever_call_was_cut_off(storage: PatientStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.say = lambda text: None
    for name in (
        "get_study_id_from_name",
        "_create_new_trial",
        "_set_trial_param",
        "set_trial_user_attr",
        "set_trial_intermediate_value",
        "set_trial_state_values",
        "_get_trials",
        "record_heartbeat",
    ):
        faulty(monkeypatch, name, [lost()])

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("a", 1)
        trial.report(0.5, step=1)
        return trial.suggest_float("x", 0, 1)

    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    study.optimize(objective, n_trials=2)
    assert [t.state for t in study.get_trials()] == [TrialState.COMPLETE] * 2
    assert study.get_trials()[0].user_attrs == {"a": 1}


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
def test_an_end_that_was_written_before_the_answer_got_lost_is_no_fault(
    storage: PatientStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.say = lambda text: None
    study = optuna.create_study(storage=storage)
    first, second = study.ask(), study.ask()
    method, cut = RDBStorage.set_trial_state_values, [True]

    def late(self: Any, *args: Any) -> bool:
        done = method(self, *args)
        if cut:
            cut.clear()
            raise lost()
        return done

    monkeypatch.setattr(RDBStorage, "set_trial_state_values", late)
    study.tell(first, 0.7)
    assert study.trials[0].value == 0.7
    study.tell(second, 0.1)
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(second._trial_id, TrialState.COMPLETE, [0.2])
