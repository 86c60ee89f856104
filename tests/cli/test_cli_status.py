"""What ``autonoise status`` tells of workers, and of a verdict that was reached before all trials were there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.identity import process_mark
from autonoise.study.overview import overview
from autonoise.study.result import Counts, Result
from autonoise.study.storage import open_storage, open_study
from autonoise.study.trial_record import KILLED, REPEATED, killed_for_good, write_facts

from .running import Command

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")


def add(study: optuna.Study, pid: int, state: TrialState | None, mark: str = "", reason: str = "") -> None:
    trial = study.ask()
    write_facts(trial, host="shop-3", pid=pid, process=mark or f"boot {pid} 1", reason=reason)
    study._storage._backend.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    if state is not None:
        study.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)


@pytest.fixture
def config(tmp_path: Path) -> StudyConfig:
    made = StudyConfig(data="wine", study="w", out=str(tmp_path), trials=12)
    made.save(tmp_path / "study.yaml")
    study = open_study(made, open_storage(made.storage_url))
    for state in (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None):
        add(study, 7, state)
    add(study, 8, TrialState.FAIL, reason=KILLED)
    add(study, 8, TrialState.FAIL, reason=killed_for_good(3))
    return made


def test_each_worker_has_its_row(config: StudyConfig, tmp_path: Path, command: Command) -> None:
    rows = overview(config)["workers"]
    first, second = rows
    assert first == {
        "worker": "shop-3:7",
        "running": 1,
        "finished": 2,
        "pruned": 1,
        "failed": 1,
        "retried": 0,
        "stalled": False,
    }
    assert (second["worker"], second["failed"], second["retried"]) == ("shop-3:8", 1, 1)
    told = command("status", tmp_path).out
    assert "  worker shop-3:7  1 running · 2 finished · 1 pruned · 1 failed\n" in told
    assert "  worker shop-3:8  1 failed · 1 retried\n" in told
    assert json.loads(command("status", tmp_path, "--json").out)[0]["workers"] == rows


def test_the_counts_add_up(config: StudyConfig, tmp_path: Path, command: Command) -> None:
    """Failed, pruned, repeated, retried and running trials: what counts sums to the total of 12."""
    study = open_study(config, open_storage(config.storage_url))
    add(study, 7, TrialState.COMPLETE, reason=f"{REPEATED} 0")
    row = overview(config)
    assert row["counts"] == {"complete": 3, "pruned": 1, "failed": 2, "running": 1, "waiting": 5}
    assert row["beside"] == {"repeated": 1, "retried": 1, "lost": 0}
    assert sum(row["counts"].values()) == row["trials"] == 12 and row["done"] == 6
    told = command("status", tmp_path).out
    assert told.startswith("w  search  6/12 trials  (3 complete · 1 pruned · 2 failed · 1 running · 5 waiting)\n")
    assert "  1 of them with a policy that had been scored before\n" in told
    assert "  1 lost with their process and queued again\n" in told
    fewer = overview(replace(config, trials=5))
    assert sum(fewer["counts"].values()) == 7 and fewer["counts"]["waiting"] == 0


def test_the_phases_that_left_something(config: StudyConfig, tmp_path: Path, command: Command) -> None:
    folder = StudyFolder(tmp_path)
    folder.create()
    for name in ("abc-confirm-f0-s0", "abc-confirm-f0-s1", "abc-test-f0-s100"):
        (folder.runs / f"{name}.npz").touch()
    (folder.policies / "found.yaml").touch()
    folder.policy_file.touch()
    row = overview(config)
    assert row["phases"] == {"calibrate": 0, "search": 5, "confirm": 2, "verdict": 1}
    assert row["exports"] == ["policy.yaml", "policies/found.yaml"]
    told = command("status", tmp_path).out
    assert "  trainings after the search  2 to confirm and minimise, 1 for the verdict\n" in told
    assert "  files  policy.yaml  policies/found.yaml\n" in told
    assert row["begun"].endswith("+00:00") and row["begun"] <= row["changed"]


@pytest.mark.skipif(not process_mark(), reason="this system has no /proc")
def test_a_worker_that_is_gone_is_stalled(config: StudyConfig, tmp_path: Path, command: Command) -> None:
    boot, pid, start = process_mark().split(" ")
    study = open_study(config, open_storage(config.storage_url))
    add(study, 9, None, mark=f"{boot} {pid} {int(start) - 1}")
    add(study, 10, None, mark=process_mark())
    told = command("status", tmp_path).out
    assert "  worker shop-3:9  1 running  stalled\n" in told
    assert "  worker shop-3:10  1 running\n" in told


@pytest.mark.parametrize(("total", "short"), [(12, True), (5, False)])
def test_a_verdict_below_the_total_is_told(tmp_path: Path, command: Command, total: int, short: bool) -> None:
    config = StudyConfig(data="wine", study="w", out=str(tmp_path), trials=total)
    config.save(tmp_path / "study.yaml")
    study = open_study(config, open_storage(config.storage_url))
    for state in (TrialState.COMPLETE, *[TrialState.PRUNED] * 3, TrialState.FAIL):
        add(study, 7, state)
    result = Result(verdict="better", sentence="It is better.", counts=Counts(complete=1, pruned=3, failed=1))
    StudyFolder(tmp_path).save_result(result)
    told = command("status", tmp_path).out
    assert told.startswith(f"w  done  5/{total} trials") and "  It is better.\n" in told
    assert ("(reached at 5 of 12 trials)" in told) == short
    assert "  verdict  better" in told
    add(study, 7, None)
    assert command("status", tmp_path).out.startswith(f"w  {'search' if short else 'done'}  5/{total} trials")
