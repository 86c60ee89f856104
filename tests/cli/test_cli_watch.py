"""``autonoise status`` by the address of the storage alone, and again and again."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from autonoise.cli import status as commands
from autonoise.study.config import StudyConfig
from autonoise.study.shared import KEY, TRAININGS
from autonoise.study.storage import open_storage, open_study
from autonoise.study.trial_record import attributes, write_facts

from .running import Command

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
SHARED = {"version": "1", "settings": {"trials": 5}, "precision": "fp32", "space": {}, "corruptions": {}, "noisy": "",
          "digests": {}, "clips": "", "matrix": "", "format": "autonoise-shared/1"}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """A study in a database, as a worker without its folder sees it."""
    config = StudyConfig(data="wine", study="shop", out=str(tmp_path), storage=f"sqlite:///{tmp_path}/all.db")
    made = open_study(config, open_storage(config.storage_url))
    made._storage.set_study_system_attr(made._study_id, KEY, SHARED)
    for state, value in ((TrialState.COMPLETE, 0.5), (TrialState.COMPLETE, 0.7), (TrialState.PRUNED, None)):
        trial = made.ask()
        write_facts(trial, host="node-2", pid=7, score=value, clean=0.9, noisy=0.5)
        made.tell(trial, value, state=state)
    write_facts(made, phase="verdict")
    after = optuna.create_study(storage=made._storage, study_name="shop" + TRAININGS)
    for state, part in ((TrialState.COMPLETE, "confirm"), (TrialState.COMPLETE, "test"), (TrialState.WAITING, "test")):
        values = [0.0] if state == TrialState.COMPLETE else None
        after.add_trial(create_trial(state=state, values=values, user_attrs=attributes(job={"part": part})))
    return made


def test_the_storage_alone_tells_where_a_study_stands(study: optuna.Study, tmp_path: Path, command: Command) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    told = command("status", "--storage", url, "--study", "shop").out
    assert told.startswith("shop  verdict  3/5 trials  (2 complete · 1 pruned · 2 waiting)\n")
    assert "best 0.700 (clean 0.900, noisy 0.500)  trial 1" in told
    assert "1 to confirm and minimise, 1 for the verdict" in told
    assert "worker node-2:7  2 finished · 1 pruned" in told and "verdict  unconfirmed" in told
    write_facts(study, phase="done", verdict="better", sentence="It is better.")
    told = command("status", "--storage", url, "--study", "shop").out
    assert told.startswith("shop  done  3/5") and "verdict  better\n  It is better.\n" in told


def test_watching_ends_with_the_study_and_reads_what_changed(
    study: optuna.Study, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        study.tell(study.ask(), 0.1)
        if len(slept) == 2:
            write_facts(study, phase="done")

    monkeypatch.setattr(commands.time, "sleep", sleep)
    told = command("status", "--storage", f"sqlite:///{tmp_path}/all.db", "--study", "shop", "--watch").out
    assert [f"{n}/5 trials" in told for n in (3, 4, 5)] == [True] * 3
    assert slept == [commands.AGAIN] * 2


def test_half_an_address_is_refused(study: optuna.Study, tmp_path: Path, command: Command) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    for given in (["--storage", url], ["--study", "shop"], ["shop", "--storage", url, "--study", "shop"]):
        done = command("status", *given)
        assert done.status == 2 and "by both --storage URL and --study NAME" in done.err
    done = command("status", "--storage", url, "--study", "shp")
    assert done.status == 2 and "no study 'shp' (there are: shop)" in done.err
    done = command("status", "--storage", url, "--study", "shop", "--watch", "--json")
    assert done.status == 2 and "give one of them" in done.err
