"""Which running trials nobody is at any more: by process on this machine, by signs of life elsewhere."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.storages._rdb import models
from optuna.trial import TrialState
from study_samples import config_of, space_of

from autonoise.study import identity
from autonoise.study.identity import process_mark, surely_gone, surely_there
from autonoise.study.patient import PatientStorage
from autonoise.study.storage import GRACE, finished, open_storage, open_study, running, sweep, taken
from autonoise.study.trial_record import KILLED, PREFIX, TrialRecord, attributes, write_facts

pytestmark = [
    pytest.mark.skipif(not process_mark(), reason="this system has no /proc"),
    pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning"),
]


@pytest.fixture
def gone() -> str:
    """The mark of a process of this machine that has ended."""
    boot, _, start = process_mark().split(" ")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{boot} {process.pid} {start}"


@pytest.fixture
def study(tmp_path: Path) -> Iterator[optuna.Study]:
    config = config_of(tmp_path)
    made = open_study(config, open_storage(config.storage_url), sampler=optuna.samplers.RandomSampler(seed=0))
    yield made
    made._storage.remove_session()
    store(made).engine.dispose()


def store(study: optuna.Study) -> PatientStorage:
    storage = study._storage._backend  # type: ignore[attr-defined]
    assert isinstance(storage, PatientStorage)
    return storage


def begin(study: optuna.Study, mark: str, age: float | None = 0.0) -> optuna.Trial:
    """A running trial of the process ``mark``, whose last sign of life is ``age`` seconds old; None: it gave none."""
    trial = study.ask()
    if mark:
        write_facts(trial, process=mark, host=socket.gethostname(), pid=1)
    if age is not None:
        store(study).record_heartbeat(trial._trial_id)
        with store(study).scoped_session() as session:
            beat = session.query(models.TrialHeartbeatModel).filter_by(trial_id=trial._trial_id).one()
            beat.heartbeat -= timedelta(seconds=age)
            session.commit()
    return trial


def elsewhere(mark: str) -> str:
    boot, pid, start = mark.split(" ")
    return f"another-{boot} {pid} {start}"


def test_a_process_is_known_by_boot_id_and_start() -> None:
    mine = process_mark()
    boot, pid, start = mine.split(" ")
    assert int(pid) == os.getpid() and boot.startswith(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    assert surely_there(mine) and not surely_gone(mine)
    reused = f"{boot} {pid} {int(start) - 1}"
    assert surely_gone(reused) and not surely_there(reused)
    for unknown in (elsewhere(mine), elsewhere(reused), ""):
        assert not surely_gone(unknown) and not surely_there(unknown)


def test_the_start_time_is_the_22nd_field_whatever_the_name_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = [str(n) for n in range(4, 53)]
    for pid, state in ((7, "S"), (8, "Z")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b (c) {state} {' '.join(fields)}")
    monkeypatch.setattr(identity, "_PROC", tmp_path)
    assert (identity._started(7), identity._started(8), identity._started(9)) == ("22", "", "")
    assert process_mark() == "" and not surely_gone("boot 7 22")


def test_a_process_that_nobody_waited_for_is_gone() -> None:
    boot = process_mark().split(" ")[0]
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    mark = f"{boot} {process.pid} {identity._started(process.pid)}"
    assert surely_there(mark)
    process.kill()
    until = time.monotonic() + 10
    while not surely_gone(mark):
        assert time.monotonic() < until
    process.wait()
    assert surely_gone(mark)


def test_sweep_fails_what_is_dead_and_queues_it_again(study: optuna.Study, gone: str) -> None:
    space, mine = space_of(), process_mark()
    killed = begin(study, gone)
    space.suggest(killed)
    killed.report(0.5, step=1)
    write_facts(killed, origin="seed", work=0.3, rung=0)
    killed.set_constraint("cost", 0.1)
    slept = begin(study, mine, age=GRACE + 60)  # the computer slept, the process is there
    far = begin(study, elsewhere(gone), age=GRACE - 60)
    silent = begin(study, elsewhere(mine), age=GRACE + 60)
    beginning = begin(study, "", age=None)
    assert running(study) == 3
    assert sweep(study) == 2
    states = {t.number: t.state for t in study.get_trials()}
    assert [n for n, s in states.items() if s == TrialState.FAIL] == [killed.number, silent.number]
    assert all(states[t.number] == TrialState.RUNNING for t in (slept, far, beginning))
    assert TrialRecord.of(study.get_trials()[0]).reason == KILLED == "its process was killed"
    again = study.ask()
    space.suggest(again)
    assert again.params == killed.params
    # what the lost trial measured stays behind
    assert again.user_attrs.items() >= attributes(origin="seed", retry_of=killed.number).items()
    assert not {PREFIX + "work", PREFIX + "rung", PREFIX + "process"} & set(again.user_attrs)
    again.set_constraint("cost", 0.2)
    again.report(0.6, step=1)
    assert study.get_trials()[again.number].intermediate_values == {1: 0.6}
    assert taken(study) == 4  # three in work and the retry; what is killed or queued does not count
    assert finished(study) == []
    assert sweep(study) == 0


def test_a_postgres_trusts_signs_of_life_alone_while_a_process_is_there(study: optuna.Study, gone: str) -> None:
    store(study).local = False
    begin(study, process_mark(), age=GRACE + 60)  # frozen
    begin(study, gone)
    begin(study, process_mark())
    assert sweep(study) == 2
    assert [t.state.name for t in study.get_trials()][:3] == ["FAIL", "FAIL", "RUNNING"]


def test_parameters_are_queued_again_twice_and_then_count(study: optuna.Study, gone: str) -> None:
    study.enqueue_trial({"use.dropout": True})
    for again in (1, 2):
        begin(study, gone)
        assert sweep(study) == 1
        assert len(study.get_trials()) == again + 1 and finished(study) == []
        assert study.get_trials()[-1].system_attrs["fixed_params"] == {"use.dropout": True}
    begin(study, gone)
    assert sweep(study) == 1
    assert len(study.get_trials()) == 3
    (last,) = finished(study)
    assert (last.number, last.retries) == (2, 2)
    assert last.reason == "its process was killed 3 times; its policy is not tried again"


def test_a_trial_that_never_said_whose_it_is_is_swept_later(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(study, "", age=None)
    assert sweep(study) == 0
    later = datetime.now() + timedelta(seconds=GRACE + 1)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return later

    with monkeypatch.context() as m:
        m.setattr("autonoise.study.patient.datetime", Later)
        store(study).local = False
        assert sweep(study) == 0  # clocks of other machines may differ
        begun = time.monotonic()
        with monkeypatch.context() as inner:
            inner.setattr("autonoise.study.patient.time.monotonic", lambda: begun + GRACE + 5)
            assert sweep(study) == 1
        begin(study, "", age=None)
        store(study).local = True
        assert sweep(study) == 1
