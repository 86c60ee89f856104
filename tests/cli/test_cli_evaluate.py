"""``autonoise evaluate``: from a policy file, data and a model's file to the table of the verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from study_samples import with_few_corruptions

from autonoise import Policy, Step
from autonoise.data import load
from autonoise.study.config import StudyConfig

QUICK = ["--epochs", "10", "--seeds", "3", "--once"]
MODEL = """
from torch import nn

def build(spec, classes):
    return nn.Sequential(nn.Linear(spec.layout[0], 64), nn.ReLU(), nn.Linear(64, classes))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a model and two policies."""
    folder = tmp_path_factory.mktemp("place")
    load_iris(as_frame=True).frame.rename(columns={"target": "kind"}).to_csv(folder / "iris.csv", index=False)
    (folder / "model.py").write_text(MODEL)
    Policy("tabular", [Step.of("gaussian_noise", std=0.4)], name="noise [b]").save(folder / "noise.yaml")
    Policy("tabular", [Step.of("swap_noise", fraction=0.2)], name="swap").save(folder / "swap.yaml")
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    with_few_corruptions(monkeypatch)


def test_the_verdict_of_ones_own_model(command: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "200")  # narrower, the table becomes a block of lines for each row
    asked = ["noise.yaml", "iris.csv", "--target", "kind", "--model", "model.py:build", *QUICK]
    done = command("evaluate", *asked, "--policy", "swap.yaml")
    assert (done.status, done.err) == (0, "")
    assert "model Sequential" in done.out and "recommended: " in done.out
    head, rows = _table(done.out, "clean   ")
    assert head.split("  ")[0] == "clean" and "gap closed" in head and "worst family" in head
    assert head.split()[-2:] == ["passes", "seeds"] and all(r.split()[-2:] == ["1.00", "3"] for r in rows)
    assert [r.split("  ")[0].strip() for r in rows] == ["no-noise", "noise [b]", "swap"]
    assert all(len(re.findall(r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]", r)) == 3 for r in rows)
    _, changes = _table(done.out, "difference")
    assert [r.strip().split("  ")[0] for r in changes] == ["noise [b] − no-noise", "swap − no-noise"]
    assert "note: first evaluation on these test rows" in done.out
    assert "evaluations/iris" in done.out and (place / "evaluations" / "iris" / "result.json").is_file()
    again = command("evaluate", *asked, "--policy", "swap.yaml", "--json")
    told = json.loads(again.out)
    assert again.status == 0 and told == json.loads((place / "evaluations" / "iris" / "result.json").read_text())
    assert list(told["contestants"]) == ["baseline", "policy", "policy 2"]
    quiet = command("evaluate", *asked, "--policy", "swap.yaml", "--quiet")
    assert quiet.out.startswith(told["verdict"]) and "verdict: 0 of" not in quiet.out


def _table(out: str, first: str) -> tuple[str, list[str]]:
    """The head and the rows of the table whose head begins with a word."""
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith(first))
    rows = lines[at + 2 :]
    end = next(i for i, line in enumerate(rows) if not line.strip())
    return lines[at].strip(), [r.removeprefix(" ") for r in rows[:end]]


def test_a_study_brings_its_settings(command: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    config = StudyConfig(
        data="iris.csv",
        study="flowers",
        out="flowers",
        target="kind",
        epochs=1,
        seeds=3,
        seed=4,
        storage="sqlite:///a.db",
    )
    Path("flowers").mkdir()
    config.save(Path("flowers/study.yaml"))
    found = Policy(
        "tabular",
        [Step.of("swap_noise")],
        name="found",
        provenance={"data": load("iris.csv", target="kind").fingerprint, "seed": 4},
    )
    found.save("found.yaml")
    done = command("evaluate", "found.yaml", "flowers", "--once")
    assert done.status == 0, done.err
    assert "· 1 epoch\n" in done.out and "found: its own search has judged it on" in done.out
    assert StudyConfig.load(place / "evaluations" / "flowers" / "evaluation.yaml").seed == 4
    assert [f.name for f in Path("flowers").iterdir()] == ["study.yaml"] and not Path("a.db").exists()
    refused = command("evaluate", "found.yaml", "flowers", "--out", "flowers")
    assert refused.status == 2 and "holds a search" in refused.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["noise.yaml", "iris.csv", "--target", "nothing"], "nothing"),
        (["noise.yaml", "lost.csv"], "lost.csv"),
        (["lost.yaml", "iris.csv"], "lost.yaml"),
        (["noise.yaml", "digits"], "noise [b] is for tabular data, but digits is image"),
        (["noise.yaml", "iris.csv", "--target", "kind", "--seeds", "1"], "--seeds >= 3"),
        (["noise.yaml", "iris.csv", "--target", "kind", "--policy", "noise.yaml"], "do the same"),
        (
            ["noise.yaml", "iris.csv", "--target", "kind", "--model", "model.py:lost", "--out", "n"],
            "no function 'lost'",
        ),
        (["noise.yaml", "iris.csv", "--target", "kind", "--device", "abacus"], "--device abacus"),
        (["noise.yaml", "iris.csv", "--target", ""], "--target is empty: give a value"),
        (["noise.yaml", "iris.csv", "--out", "iris.csv"], "iris.csv is a file"),
    ],
)
def test_bad_input_is_told_in_a_line(
    command: Any, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(place)
    done = command("evaluate", *arguments)
    assert done.status == 2 and done.out == ""
    assert words in done.err and len(done.err.splitlines()) == 1


def test_a_fault_of_the_model_is_placed(command: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    (place / "bad.py").write_text(MODEL.replace("64, classes", "65, classes"))
    done = command("evaluate", "noise.yaml", "iris.csv", "--target", "kind", "--model", "bad.py:build", "--out", "b")
    assert done.status == 2 and "--model bad.py:build" in done.err and len(done.err.splitlines()) == 1
    assert not (place / "b").exists()


def test_stopping_keeps_what_was_trained(command: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autonoise.verdict import trainings

    monkeypatch.chdir(place)
    asked = ["swap.yaml", "iris.csv", "--target", "kind", "--epochs", "1", "--seeds", "3", "--once", "--out", "stopped"]
    run_job, ran = trainings.run_job, []

    def interrupted(*job: Any) -> Any:
        if len(ran) == 2:
            raise KeyboardInterrupt
        ran.append(job)
        return run_job(*job)

    monkeypatch.setattr(trainings, "run_job", interrupted)
    done = command("evaluate", *asked)
    assert done.status == 130 and "The same command continues" in done.out
    monkeypatch.setattr(trainings, "run_job", lambda *job: ran.append(job) or run_job(*job))
    assert command("evaluate", *asked).status == 0
    assert len(ran) == 6  # two contestants, three seeds, none twice
