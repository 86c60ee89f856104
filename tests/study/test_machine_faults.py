"""Faults of the machine in one line, with the cause that was seen; signals; a terminal that is gone."""

from __future__ import annotations

import errno
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError
from study_samples import config_of, new_study, policy_of

from autonoise.calling import explained
from autonoise.errors import StudyError
from autonoise.study.faults import ended_by, is_memory, less_memory, of_machine
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import Observer, WhileSeen
from autonoise.study.processes import Stop, ended_like_interrupted, stop_on_interrupt
from autonoise.study.storage import claim
from autonoise.verdict.trainings import Job, Runner


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError("Unable to allocate 7.00 TiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: out of memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_memory_that_ran_out_is_told_with_what_was_seen_and_a_remedy_that_exists(fault: Exception) -> None:
    told = of_machine(fault, workers=1)
    assert told is not None and str(fault.args[-1])[:20] in told and "--train-rows" in told and "--workers" not in told
    assert "fewer --workers" in (of_machine(fault, workers=2) or "")


def test_a_full_disk_and_a_storage_that_refuses() -> None:
    told = of_machine(OSError(errno.ENOSPC, "No space left on device", "/x/policy.yaml"))
    assert told is not None and told.startswith("/x/policy.yaml: No space left on device; everything that was finished")
    full = OperationalError("INSERT ...", {}, Exception("database or disk is full"))
    wrapped = StorageInternalError("An exception is raised during the commit.")
    wrapped.__cause__ = full
    for fault in (full, wrapped):
        assert "refuses (Exception: database or disk is full); everything" in (of_machine(fault) or "")
    secret = OperationalError("", {}, Exception("no role me with geheim"))
    assert "geheim" not in (of_machine(secret, url="postgresql://me:geheim@x/y") or "geheim")
    assert of_machine(ValueError("shape")) is None and of_machine(OSError(errno.ENOENT, "No such file")) is None
    assert not is_memory("ValueError: the memory file is missing")


def test_faults_of_the_machine_are_told_as_such_and_not_as_faults_of_the_model(tmp_path: Any) -> None:
    for config in (config_of(tmp_path), config_of(tmp_path, model="own.py:make")):
        with pytest.raises(StudyError, match="memory ran out"), explained(config):
            raise MemoryError


def test_how_processes_ended() -> None:
    assert ended_by([0, -9, -15]) == "was killed by signal 9 (SIGKILL), which the system sends where memory runs out"
    assert ended_by([-15, -11]) == "was killed by signal 11 (SIGSEGV)"
    assert ended_by([-15]) == "was killed by signal 15 (SIGTERM)"
    assert ended_by([None, 0, 3]) == "ended with status 3" and ended_by([0]) == "ended by itself"


def test_a_pool_whose_process_was_killed_goes_on_with_fewer(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures.process import BrokenProcessPool

    runner = Runner(config_of(tmp_path), SimpleNamespace(folds=1), SimpleNamespace(), 4)  # type: ignore[arg-type]
    done: set[int] = set()
    tried, said = [], []

    def pool(self: Runner, jobs: list[Job], stop: Any, finished: Any) -> None:
        tried.append((self._processes, [j.seed for j in jobs]))
        done.add(jobs[0].seed)
        self._members = [SimpleNamespace(exitcode=code)]
        if code:
            raise BrokenProcessPool

    monkeypatch.setattr(Runner, "_run_pool", pool)
    monkeypatch.setattr(Runner, "_stored", lambda self, job: "result" if job.seed in done else None)
    runner.say = said.append
    code = -9
    jobs = [Job(policy_of("mixup"), "test", seed) for seed in range(5)]
    with pytest.raises(StudyError, match=r"signal 9 .* though it was the only one; .* --train-rows"):
        runner.run(jobs)
    assert tried == [(4, [0, 1, 2, 3, 4]), (2, [1, 2, 3, 4]), (1, [2, 3, 4])]
    assert [s.rpartition("; ")[2] for s in said] == ["going on with 2 at a time", "going on with 1 at a time"]
    runner, code = Runner(config_of(tmp_path), SimpleNamespace(folds=1), SimpleNamespace(), 4), -11  # type: ignore[arg-type]
    with pytest.raises(StudyError, match=r"signal 11 \(SIGSEGV\); .* look for the cause"):
        runner.run([Job(policy_of("mixup"), "test", seed) for seed in (7, 8)])
    tried.clear()
    runner.run([Job(policy_of("mixup"), "test", seed) for seed in (9, 10)], stop=lambda: True)  # told to end: no fault
    assert len(tried) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    def gone(text: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before, stop = signal.getsignal(number), Stop()
    signal.signal(number, signal.SIG_DFL)  # started by nohup, the tests would ignore SIGHUP
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), ended_like_interrupted(), stop_on_interrupt(stop, gone):
            os.kill(os.getpid(), number)
            assert stop.asked
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)


def test_a_closed_terminal_is_not_heard_under_nohup() -> None:
    before, stop = signal.signal(signal.SIGHUP, signal.SIG_IGN), Stop()
    try:
        with ended_like_interrupted(), stop_on_interrupt(stop, print):
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.asked and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nobody_is_told_once_the_terminal_is_gone() -> None:
    class Gone(Observer):
        calls, number = 0, errno.EIO

        def line(self, text: str) -> None:
            self.calls += 1
            raise OSError(self.number, "gone")

    inner = Gone()
    seen = WhileSeen(inner)
    seen.line("a")
    seen.line("b")
    seen.phase("c", 0, 1)
    assert inner.calls == 1
    inner.number = errno.ENOSPC  # of a log on a full disk: that must be told
    with pytest.raises(OSError, match="gone"):
        WhileSeen(inner).line("a")


def test_another_version_is_refused(tmp_path: Any) -> None:
    study, config = new_study(), config_of(tmp_path)
    claim(study, config, {"version_of_autonoise": "0.1.0"})
    with pytest.raises(StudyError, match=r"another version of autonoise \(0\.1\.0 now 0\.2\.0\).*another --study"):
        claim(study, config, {"version_of_autonoise": "0.2.0"})


def test_what_helps_against_too_little_memory() -> None:
    assert less_memory(1).startswith("free memory") and less_memory(3).startswith("run again with fewer --workers")


def test_a_folder_is_held_by_one_search_and_the_other_removes_nothing(tmp_path: Any) -> None:
    first, second = StudyFolder(tmp_path / "s"), StudyFolder(tmp_path / "s")
    refused = pytest.raises(StudyError, match=r"another search is at work in .*s: let it end, join it")
    with refused, second.nothing_half_begun():  # it looked when there was nothing yet
        first.create()
        (first.root / "study.db").write_text("of the first")
        with first.alone(), second.alone():
            raise AssertionError("both hold it")
    assert (first.root / "study.db").read_text() == "of the first"
    with second.alone():  # let go of
        pass
