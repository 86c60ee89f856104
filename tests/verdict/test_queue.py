"""Trainings handed out through the storage: each is run once, a lost one again, a failed one is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState
from study_samples import config_of, policy_of

from autonoise.errors import StudyError
from autonoise.study.identity import process_mark
from autonoise.study.processes import Stop
from autonoise.study.shared import TRAININGS
from autonoise.study.storage import open_storage, open_study, patient_storage
from autonoise.study.trial_record import attributes
from autonoise.verdict import sharing
from autonoise.verdict.queue import Queue
from autonoise.verdict.trainings import Job

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
JOBS = {"a": Job(policy_of("mixup", alpha=0.2), "confirm", 3, size=2.0, rows=0.5), "b": Job(policy_of(), "test", 101)}


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[tuple[Queue, Queue]]:
    """The queue as two processes see it, each through a connection of its own."""
    config = config_of(tmp_path)
    studies = [open_study(config, open_storage(config.storage_url)) for _ in range(2)]
    first, second = (Queue.of(s) for s in studies)
    assert first is not None and second is not None
    yield first, second
    for study in studies:
        storage = patient_storage(study)
        assert storage is not None
        storage.remove_session()
        storage.engine.dispose()


def test_each_training_is_taken_once_and_its_result_comes_back(queues: tuple[Queue, Queue]) -> None:
    driver, worker = queues
    driver.hand_out(JOBS)
    driver.hand_out(JOBS)  # the search was stopped and goes on: nothing is handed out twice
    one, two = worker.take(), driver.take()
    assert one is not None and two is not None
    assert (one.key, two.key) == ("a", "b") and {t.key: t.job for t in (one, two)} == JOBS
    assert worker.take() is None and worker.busy()
    assert driver.results(JOBS) == {}
    assert worker.finish(one, b"\x00\xffresult")
    assert driver.results(JOBS) == {"a": b"\x00\xffresult"}
    assert driver.finish(two, b"")
    assert driver.results(["b"]) == {"b": b""} and not worker.busy()
    driver.hand_out(JOBS)
    assert worker.take() is None


def test_of_two_that_saw_the_same_training_one_takes_the_next(
    queues: tuple[Queue, Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, worker = queues
    driver.hand_out(JOBS)
    seen = worker._storage.get_all_trials(worker._id, states=(TrialState.WAITING,))
    first = driver.take()
    monkeypatch.setattr(worker._storage, "get_all_trials", lambda *given, **options: seen)
    second = worker.take()
    assert first is not None and second is not None and (first.key, second.key) == ("a", "b")
    assert worker.take() is None


@pytest.mark.skipif(not process_mark(), reason="this system has no /proc")
def test_what_a_lost_worker_had_is_run_by_the_next(queues: tuple[Queue, Queue]) -> None:
    driver, worker = queues
    driver.hand_out({"a": JOBS["a"]})
    lost = worker.take()
    assert lost is not None and driver.sweep() == 0
    boot, pid, start = process_mark().split(" ")
    worker._write(lost.trial_id, process=f"{boot} {pid} {int(start) - 1}")  # a process that has ended
    assert driver.sweep() == 1
    again = driver.take()
    assert again is not None and (again.key, again.job) == ("a", JOBS["a"]) and again.trial_id != lost.trial_id
    assert not worker.finish(lost, b"late") and not worker.fail(lost, "late")
    assert driver.results(["a"]) == {}
    assert driver.finish(again, b"good") and driver.results(["a"]) == {"a": b"good"}


def test_a_failure_is_told_with_its_place_and_a_new_search_tries_again(queues: tuple[Queue, Queue]) -> None:
    driver, worker = queues
    driver.hand_out(JOBS)
    ticket = worker.take()
    assert ticket is not None and worker.fail(ticket, "ValueError: my model\nbroke")
    with pytest.raises(StudyError, match=r"failed on \S+ \(ValueError: my model"):
        driver.results(JOBS)
    assert driver.results(["b"]) == {}
    driver.hand_out(JOBS)
    assert driver.results(JOBS) == {}
    keys = [t.key for t in (worker.take(), worker.take()) if t is not None]
    assert keys == ["b", "a"]


def test_what_cannot_be_read_is_refused(queues: tuple[Queue, Queue]) -> None:
    driver, worker = queues
    for job in ({"key": "x"}, {"key": "y", **JOBS["b"].to_dict(), "part": "train"}, {"key": "z", "policy": {}}):
        driver._study.add_trial(
            optuna.trial.create_trial(state=TrialState.WAITING, user_attrs=attributes(job={"key": "x", **job}))
        )
    assert worker.take() is None
    assert [t.state for t in driver._study.get_trials()] == [TrialState.FAIL] * 3
    driver.hand_out({"a": JOBS["a"]})
    ticket = worker.take()
    assert ticket is not None
    worker._end(ticket.trial_id, result="no base64!")
    with pytest.raises(StudyError, match="cannot be read"):
        driver.results(["a"])


def test_a_worker_with_other_data_trains_nothing(queues: tuple[Queue, Queue], tmp_path: Path) -> None:
    """The name of a result says what it is of; a worker that would name it otherwise would train something else."""
    driver, worker = queues
    driver.hand_out({"somebody-else": JOBS["b"]})
    task = SimpleNamespace(folds=1, train=lambda *given, **options: pytest.fail("trained"))
    said: list[str] = []
    assert sharing.serve(worker, task, config_of(tmp_path), Stop(), lambda: True, said.append) == 0  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="would train something else"):
        driver.results(["somebody-else"])


def test_a_fault_in_a_training_fails_it_and_the_worker_goes_on(queues: tuple[Queue, Queue], tmp_path: Path) -> None:
    driver, worker = queues

    def broken(*given: object, **options: object) -> None:
        raise ValueError("no such layer")

    task = SimpleNamespace(folds=1, seed=0, train=broken)
    jobs = {f"{j.policy.hash}-{j.part}-f0-s{j.seed}{j.tag}": j for j in JOBS.values()}
    driver.hand_out(jobs)
    said: list[str] = []
    assert sharing.serve(worker, task, config_of(tmp_path), Stop(), lambda: True, said.append) == 0  # type: ignore[arg-type]
    assert said == ["a training failed: ValueError: no such layer"] * 2
    assert [t.state for t in driver._study.get_trials()] == [TrialState.FAIL] * 2


def test_a_worker_waits_while_others_train_and_leaves_when_there_is_nothing(
    queues: tuple[Queue, Queue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, worker = queues
    driver.hand_out({"a": JOBS["a"]})
    ticket = driver.take()
    assert ticket is not None
    now = [0.0]

    def asleep(seconds: float) -> None:
        now[0] += 60.0
        if now[0] > 3 * sharing.IDLE:
            driver.finish(ticket, b"")

    monkeypatch.setattr(sharing.time, "sleep", asleep)
    monkeypatch.setattr(sharing.time, "monotonic", lambda: now[0])
    task = SimpleNamespace(folds=1)
    assert sharing.serve(worker, task, config_of(tmp_path), Stop(), lambda: False, print) == 0  # type: ignore[arg-type]
    assert 4 * sharing.IDLE <= now[0] < 4.5 * sharing.IDLE


def test_no_study_of_a_user_can_have_the_name_of_a_queue(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="plain name without slashes"):
        config_of(tmp_path, study="sample" + TRAININGS)
