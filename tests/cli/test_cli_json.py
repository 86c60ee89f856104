"""``--json``: which commands have it, and that stdout then holds one JSON document and nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from study_samples import config_of, judged_folder, policy_of, with_few_corruptions

from autonoise import Policy, Step
from autonoise.cli import main
from autonoise.cli.app import app
from autonoise.found import SearchResult
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import Observer
from autonoise.study.storage import open_storage, open_study
from autonoise.study.trial_record import write_facts

from .running import Command

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
WITHOUT = {
    "schema": "prints nothing but JSON anyway",
    "dashboard": "runs until it is stopped",
    "preview": "draws pictures for people; what a policy says is in show --json",
}
"""Commands without --json, and why."""
MODEL = """
import sys, torch
def loud(spec, classes):
    print("a model that prints")
    return torch.nn.Linear(spec.layout[0], classes)
"""


def commands() -> Iterator[tuple[str, Any]]:
    waiting = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        below = getattr(command, "commands", {})
        waiting += [(f"{name} {n}".strip(), c) for n, c in below.items()]
        if name:
            yield name, command


def test_every_command_has_it_or_a_reason() -> None:
    have = {name for name, c in commands() if any("--json" in p.opts for p in c.params)}
    every = {name for name, _ in commands()}
    assert every - have == set(WITHOUT)
    assert len(every) > 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two judged studies with a trial, two policies and a model."""
    root = tmp_path_factory.mktemp("json")
    for name, policy in (("shop", policy_of("gaussian_noise")), ("mall", policy_of("dropout"))):
        clean = {"baseline": (0.4, 0.4, 0.4), "policy": (0.8, 0.81, 0.79)}
        folder = judged_folder(root / "studies" / name, clean, policy=policy)
        policy.save(folder.policy_file)
        config = config_of(folder.root, study=name)
        study = open_study(config, open_storage(config.storage_url))
        trial = study.ask()
        write_facts(trial, score=0.6251234567, clean=0.75, noisy=float("nan"), policy=policy.to_dict())
        study.tell(trial, 0.625)
    Policy("tabular", [Step.of("gaussian_noise", std=0.123456), Step.of("dropout")], "mine").save(root / "policy.yaml")
    Policy("image", [Step.of("random_erasing"), Step.of("mixup")]).save(root / "image.yaml")
    (root / "model.py").write_text(MODEL)
    return root


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    with_few_corruptions(monkeypatch)
    return made


QUICK = [
    "inspect wine",
    "status",
    "status shop",
    "studies",
    "best shop",
    "report shop",
    "export shop -o out.yaml",
    "export image.yaml --to torchvision",
    "show policy.yaml",
    "verify policy.yaml",
    "recommend wine",
    "policies",
    "diff policy.yaml tabular/adult",
    "compare shop mall",
    "compare policy.yaml shop",
    "techniques",
    "techniques mixup",
    "spaces",
    "spaces tabular",
    "datasets",
    "corruptions --data-type audio",
    "corruptions list",
]


@pytest.mark.parametrize("line", QUICK)
def test_one_document_and_nothing_else(place: Path, command: Command, line: str) -> None:
    done = command(*line.split(), "--json")
    assert done.status == (1 if line.startswith("diff") else 0), done.err
    assert isinstance(json.loads(done.out), dict | list)


def test_an_evaluation_with_a_model_that_prints(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What it prints, and all that is told on the way, goes to stderr."""
    few = ["--model", "model.py:loud", "--epochs", "2", "--seeds", "3", "--once", "--json"]
    assert main(["evaluate", "policy.yaml", "wine", *few]) == 0
    done = capfd.readouterr()
    assert json.loads(done.out)["contestants"]["policy"]["seeds"] == 3
    assert "a model that prints" in done.err and "verdict: 0 of 6 trainings" in done.err


def test_a_search(place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what other processes, which know nothing of Python's stdout, write goes to stderr."""

    def search(data: str, *, progress: Observer, **given: Any) -> SearchResult:
        progress.line("told on the way")
        sys.stdout.write("a model that prints\n")
        os.write(1, b"a process that writes\n")
        folder = StudyFolder("studies/shop")
        return SearchResult(config_of(folder.root, study="shop"), folder, folder.load_result(), stopped=False)

    monkeypatch.setattr("autonoise.run.search", search)
    assert main(["search", "shop", "--json"]) == 0
    done = capfd.readouterr()
    told = json.loads(done.out)
    assert told["folder"] == "studies/shop" and "policy.yaml" in told["files"] and told["verdict"] == "better"
    assert [line in done.err for line in ("told on the way", "a model that prints", "a process that writes")] == [
        True
    ] * 3


def test_numbers_are_numbers(place: Path, command: Command) -> None:
    row = json.loads(command("status", "shop", "--json").out)[0]
    assert row["best"]["score"] == 0.6251234567 and row["best"]["noisy"] is None
    std = json.loads(command("techniques", "gaussian-noise", "--json").out)["parameters"][0]
    assert (std["low"], std["high"], std["log"], std["minimum"]) == (0.01, 0.5, True, 0.0)
    shown = json.loads(command("show", "policy.yaml", "--json").out)
    assert shown["steps"][0]["std"] == 0.123456
    calibrated = json.loads(command("corruptions", "calibrate", "wine", "--epochs", "3", "--json").out)
    assert all(isinstance(a, float) for row in calibrated for a in row["amounts"])


def test_a_mistake_prints_nothing_to_stdout(place: Path, command: Command) -> None:
    for line in ("compare shop nothing", "show none.yaml", "status nothing", "inspect nothing"):
        done = command(*line.split(), "--json")
        assert (done.status, done.out) == (2, "") and done.err.startswith("autonoise: ")
