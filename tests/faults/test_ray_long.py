"""A search on a real Ray of this machine: stopped, continued, and a worker of it killed by SIGKILL."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from crew import until
from forked import Forked, Place, made
from table import row

from autonoise.policy import load_policy
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.places import optuna_study
from autonoise.study.storage import finished
from autonoise.study.trial_record import StudyRecord, TrialRecord

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same as an IPv6 address, and ::1, as /proc/net writes them."""


def at_work(place: Place) -> list[int]:
    """The processes that are at a trial."""
    query = """select value_json from trial_user_attributes a join trials t using (trial_id)
        where t.state = 'RUNNING' and a.key = 'autonoise.pid'"""
    if not place.trials():
        return []
    with closing(sqlite3.connect(f"file:{place.out}/study.db?mode=ro", uri=True, timeout=30)) as db:
        return [int(value) for (value,) in db.execute(query).fetchall()]


def family(pid: int) -> set[int]:
    """A process and all that it started, and those started, and so on."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    found, new = {pid}, {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def listening(pids: set[int]) -> set[str]:
    """The addresses at which processes wait for connections, as /proc/net writes them."""
    inodes: set[str] = set()
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.add(os.readlink(fd))
            except OSError:
                continue
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {words[1].partition(":")[0] for words in lines if words[3] == "0A" and f"socket:[{words[9]}]" in inodes}


def none_left(pids: set[int]) -> None:
    until(lambda: not [p for p in pids if Path(f"/proc/{p}").exists()], 60)


def test_a_search_on_ray(tmp_path: Path) -> None:
    if find_spec("ray") is None:  # not imported here: it would listen beyond this machine
        pytest.skip('Ray is not installed: pip install "autonoise[ray]"')
    with made(tmp_path) as place:
        place.slow(0.1)

        def working(process: Forked) -> bool:
            assert process.ended() is None, process.told()
            return bool(at_work(place))

        process = place.search(trials=12, ray="local", workers=2)
        until(lambda: working(process))
        members = family(process.pid)
        addresses = listening(members)
        assert addresses and addresses <= LOOPBACK
        process.send(signal.SIGTERM)
        assert process.wait() == 130, process.told()
        assert "stopping after what is running now" in process.told()
        assert "RUNNING" not in place.trials().values()
        none_left(members)
        known = place.complete()

        process = place.search(trials=12, ray="local", workers=2)
        until(lambda: working(process) and len(set(at_work(place))) == 2)
        members, known, pair = family(process.pid), place.complete(), at_work(place)
        victim, killed = pair[0], time.monotonic()
        os.kill(victim, signal.SIGKILL)
        until(lambda: set(at_work(place)) - set(pair) or process.ended() is not None)
        assert set(at_work(place)) - set(pair), process.told()  # placed again by Ray
        seconds = time.monotonic() - killed
        place.slow(0)
        assert process.wait(400) == 0, process.told()
        assert "Traceback" not in process.told()
        none_left(members)

        study = optuna_study(StudyConfig.load(place.out / "study.yaml"))
        trials = [TrialRecord.of(t) for t in study.get_trials()]
        lost = [r for r in trials if r.killed]
        assert [r.pid for r in lost] == [victim]
        assert any(r.trial.params == lost[0].trial.params for r in trials if not r.killed)
        assert known <= place.complete()
        assert 12 <= len(finished(study)) <= 13  # both workers may begin the last one
        led = {p.pid for p in place.started}
        assert not led & {r.pid for r in trials}  # the search only leads
        assert StudyRecord.of(study).phase == "done"
        assert StudyFolder(place.out).load_result() is not None
        load_policy(place.out / "policy.yaml")
    row("kill -9 of a worker on Ray", 1, 0, seconds)
