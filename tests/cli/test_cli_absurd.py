"""Every command but search with values that make no sense: one line, exit status 2, nothing written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import typer

from autonoise.cli.app import app
from autonoise.policy import Policy, Step
from autonoise.study.config import StudyConfig

from .running import Command, listing
from .test_cli_errors import refused


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a study of one finished trial, a file and a folder."""
    study = tmp_path / "shop"
    study.mkdir()
    StudyConfig("wine", "shop", str(study), trials=1).save(study / "study.yaml")
    optuna.create_study(storage=f"sqlite:///{study}/study.db", study_name="shop").add_trial(
        optuna.trial.create_trial(value=0.5)
    )
    Policy("tabular", (Step.of("gaussian_noise"),), "mine").save(study / "policy.yaml")
    (study / "resolved_space.yaml").write_text(
        "format: autonoise-space/1\ndata_type: tabular\ntechniques: {mixup: {}}\n"
    )
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


ABSURD: dict[str, tuple[str, ...]] = {
    # what is typed: words of the refusal
    "export shop --out folder": ("--out", "folder is a folder; name the file to write"),
    "export shop --out=": ("--out", "is a folder"),
    "export shop --out policy.txt": ("--out", "policy.txt must end in .yaml or .yml or .json"),
    "export shop --out policy": ("--out", "must end in .yaml"),
    "export shop --out file.txt/p.yaml": ("file.txt/p.yaml cannot be written, since file.txt is a file",),
    "export shop --out file.txt/deeper/p.yaml": ("since file.txt is a file and not a folder",),
    "export shop --trial -1": ("--trial -1 does not exist",),
    "export shop --trial nan": ("--trial",),
    "export ''": ("STUDY", "it is empty"),
    "best ''": ("STUDY", "it is empty"),
    "best file.txt": ("study.yaml",),
    "status ''": ("it is empty",),
    "status folder": ("study.yaml",),
    "dashboard ''": ("it is empty",),
    "dashboard shop --host=": ("--host", "it is empty"),
    "dashboard shop --port 0": ("--port",),
    "dashboard shop --port 65536": ("--port",),
    "worker ''": ("it is empty",),
    "worker shop --out folder": ("STUDY (shop) and --out (folder)", "give one of them"),
    "worker shop --timeout=": ("--timeout", "it is empty"),
    "worker shop --timeout nan": ("--timeout must be above 0",),
    "worker shop --storage=": ("--storage", "it is empty"),
    "worker shop --storage nonsense": ("--storage nonsense: cannot be opened",),
    "worker shop --study=": ("--study", "it is empty"),
    "worker shop --study ship": ("its storage holds no study 'ship'", "--storage"),
    "show ''": ("it is empty",),
    "verify folder": ("folder: a folder or device, not a policy file",),
    "techniques ''": ("it is empty",),
    "techniques mixup --data-type image": ("--data-type chooses what is listed", "leave out the name"),
    "techniques --data-type=": ("--data-type", "it is empty"),
    "spaces ''": ("it is empty",),
    "spaces folder": ("folder",),
    "datasets wine": ("extra argument",),
    "corruptions --data-type=": ("--data-type", "it is empty"),
    "corruptions --data-type image list": ("--data-type stands before 'list'", "behind 'list'"),
    "corruptions --json calibrate wine": ("--json stands before 'calibrate'",),
    "corruptions calibrate ''": ("it is empty",),
    "corruptions calibrate wine --out folder": ("folder is a folder; name the file to write",),
    "corruptions calibrate wine --out c.yaml": ("c.yaml must end in .json",),
    "corruptions calibrate wine --seed -1": ("--seed",),
    "corruptions calibrate wine --seed 9223372036854775808": ("--seed < 2^63",),
    "corruptions calibrate wine --epochs 0": ("--epochs",),
    "corruptions calibrate wine --train-rows 0": ("--train-rows",),
    "corruptions calibrate wine --group=": ("--group", "it is empty"),
    "recommend ''": ("it is empty",),
    "recommend file.txt": ("file.txt",),
    "recommend folder": ("folder",),
    "recommend wine --bank file.txt": ("--bank file.txt: no such folder",),
    "recommend wine --bank=": ("--bank", "it is empty"),
    "recommend wine --out folder": ("folder is a folder; name the file to write",),
    "recommend wine --out p.txt": ("must end in .yaml",),
    "recommend wine --target=": ("--target", "it is empty"),
    "recommend wine --data-type=": ("--data-type", "it is empty"),
    "recommend wine --data-type Image": ("did you mean image",),
    "inspect ''": ("it is empty",),
    "inspect wine --train-rows 3": ("--train-rows >= 20",),
    "inspect wine --seed -1": ("--seed",),
    "inspect wine --group=": ("--group", "it is empty"),
    "inspect wine --text-column=": ("--text-column", "it is empty"),
    "inspect wine --clean-target=": ("--clean-target", "it is empty"),
}


@pytest.mark.parametrize("typed", ABSURD)
def test_values_that_make_no_sense(typed: str, here: Path, command: Command) -> None:
    before = listing(here)
    refused(command(*(word.strip("'") for word in typed.split())), *ABSURD[typed])
    assert listing(here) == before


def test_a_worker_begins_no_study_in_another_database(here: Path, command: Command) -> None:
    refused(command("worker", "shop", "--storage", "sqlite:///none.db"), "--storage", "no file none.db")


def test_a_damaged_study_is_told_and_does_not_hide_the_others(
    here: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = here / "studies"
    studies.mkdir()
    (here / "shop").rename(studies / "shop")
    broken = studies / "broken"
    broken.mkdir()
    StudyConfig("wine", "broken", str(broken)).save(broken / "study.yaml")
    (broken / "study.db").write_text("no database")
    refused(command("status", "broken"), "study.db", "cannot be opened")
    told = json.loads(command("status", "--json").out)
    assert [(row["study"], row["phase"]) for row in told] == [("broken", "unreadable"), ("shop", "search done")]
    assert "cannot be opened" in told[0]["sentence"]
    for damaged in ("{", "[1]", '{"verdict": 3}'):
        (studies / "shop" / "result.json").write_text(damaged)
        refused(command("status", "shop"), "result.json is damaged", "autonoise search")
    (studies / "shop" / "study.db").write_text("")
    refused(command("export", "shop", "--trial", 0), "holds no study 'shop'")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("data: 3", "data must be a text, but is 3"),
        ("trials: many", "trials must be a whole number, but is 'many'"),
        ("trials: 2.5", "trials must be a whole number, but is 2.5"),
        ("seed: null", "seed must be a whole number, but is None"),
        ("seed: true", "seed must be a whole number, but is True"),
        ("memory: nope", "memory must be true or false, but is 'nope'"),
        ("timeout: 2m", "timeout must be a number, but is '2m'"),
        ("target: [a]", "target must be a text, but is ['a']"),
    ],
)
def test_a_study_file_with_a_value_of_a_wrong_kind(line: str, words: str, tmp_path: Path, command: Command) -> None:
    name = line.partition(":")[0]
    settings = {"format": "autonoise-study/1", "data": "wine", "study": "wine", "out": "gone"}
    lines = [f"{k}: {v}" for k, v in settings.items() if k != name] + [line]
    (tmp_path / "study.yaml").write_text("\n".join(lines))
    for made in ("status", "inspect"):
        refused(command(made, tmp_path), "study.yaml", words, "correct the file")
    (tmp_path / "study.yaml").write_text("format: autonoise-study/1\nstudy: wine\nout: gone\n")
    refused(command("status", tmp_path), "study.yaml", "'data' is missing")
    (tmp_path / "study.yaml").write_text("\n".join(f"{k}: {v}" for k, v in {**settings, "timeout": 120}.items()))
    assert command("status", tmp_path).status == 0


def test_recommend_and_calibrate_read_the_data_as_search_does(tmp_path: Path, command: Command) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["alpha", "beta", "gamma", "delta"], 8)) + f" {i}" for i in range(60)]
    frame = pd.DataFrame({"title": texts, "body": [f"{t} once more" for t in texts], "label": np.arange(60) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for name in ("recommend", "corruptions calibrate"):
        refused(command(*name.split(), tmp_path / "t.csv"), "--text-column")
        refused(command(*name.split(), tmp_path / "t.csv", "--text-column", "bode"), "bode")
        refused(command(*name.split(), tmp_path / "t.csv", "--text-column", "body", "--group", "shelf"), "shelf")
    done = command("recommend", tmp_path / "t.csv", "--text-column", "body", "--bank", tmp_path)
    assert done.status == 0, done.err


def commands() -> dict[str, Any]:
    found, waiting = {}, [("autonoise", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        inner = getattr(command, "commands", {})
        waiting += [(f"{name} {key}", value) for key, value in inner.items()]
        if name != "autonoise":
            found[name] = command
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_help_of_each_command_has_one_example(name: str) -> None:
    lines = [line.strip() for line in str(commands()[name].help).splitlines() if "Example:" in line]
    assert len(lines) == 1
    example = lines[0].removeprefix("Example: ").removeprefix("watch ")
    assert example.startswith(name)
    known = {option for parameter in commands()[name].params for option in parameter.opts}
    assert {word for word in example.split() if word.startswith("--")} <= known
