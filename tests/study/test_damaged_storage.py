"""A study whose storage holds what no search wrote there: one line that says so."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from study_samples import config_of

from autonoise.errors import DataError, StudyError
from autonoise.study.bank import bank
from autonoise.study.folder import StudyFolder
from autonoise.study.noise_data import CLIPS_FILE, clips_of
from autonoise.study.places import optuna_study
from autonoise.study.prepare import baseline_numbers, left_out
from autonoise.study.shared import found_study
from autonoise.study.storage import open_storage, open_study
from autonoise.study.trial_record import StudyRecord, TrialRecord, attributes
from autonoise.types import DataType

POLICY = {"steps": [{"technique": "dropout", "p": 0.1}]}


def trial(**facts: Any) -> optuna.trial.FrozenTrial:
    made = optuna.trial.create_trial(value=0.5, user_attrs=attributes(**{"policy": POLICY, "score": 0.5, **facts}))
    made.number = 3
    return made


@pytest.mark.parametrize(
    "facts",
    [
        {"score": "/"},
        {"score": True},
        {"clean": [1]},
        {"seconds": {"a": 1}},
        {"seconds": 10**400},
        {"policy": [1]},
        {"policy": {"steps": [{}]}},
        {"policy": {"steps": 3}},
        {"policy": {"steps": [{"technique": 4}]}},
        {"reason": 4},
        {"process": None},
        {"pid": "7"},
        {"rung": 0.5},
        {"host": 1},
        {"constraints": [1]},
        {"constraints": {"cost": "x"}},
    ],
)
def test_facts_of_a_trial(facts: dict[str, Any]) -> None:
    with pytest.raises(
        StudyError, match=r"trial 3: what its storage says of it is damaged \(.*\): restore the storage"
    ):
        TrialRecord.of(trial(**facts))
    assert TrialRecord.of(trial()).score == 0.5


@pytest.mark.parametrize("facts", [{"test_contestants": 3}, {"test_contestants": [3]}, {"verdict_looks": ["x"]}])
def test_facts_of_a_study(facts: dict[str, Any]) -> None:
    study = optuna.create_study(study_name="shop")
    for name, value in attributes(**facts).items():
        study.set_user_attr(name, value)
    with pytest.raises(StudyError, match="study 'shop': what its storage says of it is damaged"):
        StudyRecord.of(study)


@pytest.mark.parametrize(
    "change",
    [
        "update trial_user_attributes set value_json = '{'",
        "update study_system_attributes set value_json = '{'",
        "update trials set state = 'EVIL'",
        "update trials set datetime_start = 'never'",
        "update trial_values set value = null",
        "update trial_params set distribution_json = '{}'",
        """update trial_user_attributes set value_json = '"x"' where key = 'autonoise.score'""",
    ],
)
def test_tables_of_a_database(change: str, tmp_path: Path) -> None:
    config = config_of(tmp_path)
    first = open_study(config, open_storage(config.storage_url))
    first.add_trial(trial())
    range_of_x = optuna.distributions.FloatDistribution(0, 2)
    running = optuna.trial.TrialState.RUNNING
    first.add_trial(optuna.trial.create_trial(state=running, params={"x": 1.0}, distributions={"x": range_of_x}))
    with closing(sqlite3.connect(tmp_path / "study.db")) as db, db:
        db.execute(change)
    reads = (
        lambda: optuna_study(config),
        lambda: open_study(config, open_storage(config.storage_url)),
        lambda: found_study(open_storage(config.storage_url), config.study),
    )
    for read in reads:
        with pytest.raises(StudyError) as e:
            read()
        assert "damaged" in str(e.value) and "\n" not in str(e.value) and len(str(e.value)) < 500


def test_the_noise_clips_of_a_study(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    assert clips_of(folder) is None
    np.savez(tmp_path / CLIPS_FILE, X=np.ones((2, 3)), group=np.array(["search", "held_out"]))
    clips = clips_of(folder)
    assert clips is not None and clips.shape == (1, 3)
    (tmp_path / CLIPS_FILE).write_bytes((tmp_path / CLIPS_FILE).read_bytes()[:100])
    with pytest.raises(DataError, match=r"is damaged .*delete it, and run autonoise search again"):
        clips_of(folder)


@pytest.mark.parametrize("name", ["result.json", "corruptions.json", "memory.json"])
def test_a_file_that_has_no_end(name: str, tmp_path: Path) -> None:
    """A link to a device would be read until the memory is full."""
    folder = StudyFolder(tmp_path / "shop")
    folder.create()
    (folder.root / name).symlink_to("/dev/zero")
    assert folder.load_result() is None
    assert bank(DataType("tabular"), [tmp_path]) == []
    if name == "corruptions.json":
        for read in (folder.load_corruptions, lambda: baseline_numbers(folder), lambda: left_out(folder)):
            with pytest.raises(StudyError, match=r"corruptions\.json is damaged"):
                read()


@pytest.mark.parametrize(
    "text", ["{}", '{"baseline": 3}', '{"baseline": {"seconds": "x"}}', '{"baseline": {}}', "[" * 99999]
)
def test_what_was_measured_of_the_baseline(text: str, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.corruptions_file.write_text(text)
    with pytest.raises(StudyError, match=r"corruptions\.json is damaged"):
        baseline_numbers(folder)
    folder.corruptions_file.write_text('{"baseline": {"seconds": 1.5, "left_out": ["fog"]}}')
    assert (baseline_numbers(folder)["seconds"], left_out(folder)) == (1.5, ["fog"])
