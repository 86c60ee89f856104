"""Opening, comparing and cleaning up a study's storage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from study_samples import config_of, new_study

from autonoise.corruptions.base import corruptions_for
from autonoise.corruptions.frozen import digest, fix
from autonoise.errors import StudyError
from autonoise.study.folder import StudyFolder
from autonoise.study.storage import (
    claim,
    completed,
    open_existing,
    open_storage,
    open_study,
    write_trials,
)
from autonoise.study.trial_record import PREFIX


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("noise_weight", 0.3), ("seed", 1), ("epochs", 4), ("model", "mine.py:make"), ("train_rows", 50), ("size", 2.0)],
)
def test_another_setting_that_scores_rest_on_is_refused(tmp_path: Path, name: str, value: object) -> None:
    study, before = new_study(), config_of(tmp_path)
    claim(study, before, {"space_hash": "abc"})
    with pytest.raises(StudyError, match=rf"other settings \({name}: .* → {value}\)"):
        claim(study, config_of(tmp_path / "other", **{name: value}), {"new": "fact"})
    assert PREFIX + "new" not in study.user_attrs
    # what scores do not rest on may change: the total, the folder, where a file lies
    claim(study, config_of(tmp_path / "other", trials=7, workers=2, timeout=9.0), {"space_hash": "abc"})


def test_a_file_is_the_same_in_another_folder_and_an_unknown_setting_is_taken_up(tmp_path: Path) -> None:
    study = new_study()
    claim(study, config_of(tmp_path, model="a/mine.py:make"), {})
    claim(study, config_of(tmp_path, model="/b/mine.py:make"), {})
    with pytest.raises(StudyError, match=r"model: mine.py:make → mine.py:other"):
        claim(study, config_of(tmp_path, model="a/mine.py:other"), {})
    older = {k: v for k, v in study.user_attrs[PREFIX + "settings"].items() if k != "precision"}
    study.set_user_attr(PREFIX + "settings", older)  # written by a version that did not know the setting
    claim(study, config_of(tmp_path, model="a/mine.py:make", precision="bf16"), {})
    assert study.user_attrs[PREFIX + "settings"]["precision"] == "bf16"


def test_the_digest_of_corruptions_is_that_of_what_decides_their_rows() -> None:
    first, second = (fix(c, (0.1, 0.2, 0.3, 0.4, 0.5), study_seed=0) for c in corruptions_for("tabular")[:2])
    whole = digest((first, second))
    timed = replace(first, note="weak", retentions=(1.0,) * 5, checksums={"search0/3": "x"})
    assert digest((second, timed)) == whole and len(whole) == 64
    for other in (
        (first,),
        (replace(first, amounts=(0.1, 0.2, 0.3, 0.4, 0.6)), second),
        (replace(first, seeds=(0, 0, 0, 0, 0)), second),
        (replace(first, name=second.name), second),
    ):
        assert digest(other) != whole


def test_an_unreachable_storage_is_one_line_without_the_password() -> None:
    with pytest.raises(StudyError, match="cannot be opened") as e:
        open_storage("nonsense://me:secret@nowhere/db")
    assert "secret" not in str(e.value) and "nonsense://me:***@nowhere/db" in str(e.value)
    assert "\n" not in str(e.value)


def test_what_is_no_address_is_told_with_one() -> None:
    for url in ("study.log", "journal:study.log"):
        with pytest.raises(
            StudyError, match=f"--storage {url}: .*not the address.*sqlite:///.*journal files are not offered"
        ):
            open_existing(url)


def test_to_look_at_a_database_makes_none(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    with pytest.raises(StudyError, match=f"there is no file {file}"):
        open_existing(f"sqlite:///{file}")
    assert not file.exists()
    make = open_storage(f"sqlite:///{file}")
    look = open_existing(f"sqlite:///{file}")
    assert look.get_all_studies() == []
    for storage in (make, look):
        storage._backend.engine.dispose()  # type: ignore[attr-defined]
    open_existing("sqlite:///:memory:")._backend.engine.dispose()  # type: ignore[attr-defined]


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
