"""Every example runs as it stands, with small arguments, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from autonoise import load_policy
from autonoise.policy.verify import verify
from autonoise.training.factory import load_factory
from autonoise.types import DataType, InputSpec

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(tmp_path: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(EXAMPLES.parent),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:autonoise", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_train_with_policy(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "train_with_policy.py"), "--epochs", "12")
    rows = re.findall(r"^(\S+) +([\d.]+) +([\d.]+) +([\d.]+)$", printed, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["without", "policy_image.yaml"]
    without, with_policy = ([float(v) for v in row[1:]] for row in rows)
    assert without[0] > 0.9 and with_policy[0] > 0.9
    assert with_policy[1] > without[1] + 0.03


@pytest.mark.slow
def test_train_with_lightning(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "train_with_lightning.py"), "--epochs", "12")
    rows = re.findall(r"^(\S+) +([\d.]+) +([\d.]+)$", printed, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["without", "policy_image.yaml"]
    without, with_policy = ([float(v) for v in row[1:]] for row in rows)
    assert without[0] > 0.9 and with_policy[0] > 0.9
    assert with_policy[1] > without[1] + 0.03
    assert (EXAMPLES / "train_with_lightning.py").read_text(encoding="utf-8").count("  # policy") == 1


@pytest.mark.slow
def test_train_with_transformers(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "train_with_transformers.py"), "--epochs", "4", "--rows", "1200")
    rows = re.findall(r"^(without|written by hand) +([\d.]+) +([\d.]+)$", printed, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["without", "written by hand"]
    without, with_policy = ([float(v) for v in row[1:]] for row in rows)
    assert without[0] > 0.5 and with_policy[0] > 0.5
    # so short a training leaves noise behind; what typos cost shrinks all the same
    assert with_policy[0] - with_policy[1] < without[0] - without[1] - 0.03
    assert (EXAMPLES / "train_with_transformers.py").read_text(encoding="utf-8").count("  # policy") == 3


def test_three_lines_of_the_loop_are_touched() -> None:
    source = (EXAMPLES / "train_with_policy.py").read_text(encoding="utf-8")
    assert source.count("  # policy") == 3


def test_the_shipped_policy_is_intact() -> None:
    policy = load_policy(EXAMPLES / "policy_image.yaml")
    assert [s.name for s in policy.steps] == ["cutout", "gaussian_noise", "label_smoothing"]
    assert len(verify(policy)) == 3


@pytest.mark.slow
def test_train_with_boosted_tree(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "train_with_boosted_tree.py"), "--copies", "2")
    rows = re.findall(r"^(\S+) +([\d.]+) +([\d.]+) +([\d.]+)$", printed, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["without", "swaps-and-gaps"]
    without, with_policy = ([float(v) for v in row[1:]] for row in rows)
    assert min(without[0], with_policy[0]) > 0.95
    assert with_policy[1] > without[1]


@pytest.mark.slow
def test_train_with_skorch(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "train_with_skorch.py"), "--epochs", "3")
    assert re.findall(r"^strength ([\d.]+)  cross-validation", printed, flags=re.MULTILINE) == ["0.0", "0.5", "1.0"]
    clean = re.findall(r"^strength [\d.]+  clean ([\d.]+)  noisy [\d.]+$", printed, flags=re.MULTILINE)
    assert len(clean) == 2 and min(map(float, clean)) > 0.8


@pytest.mark.slow
def test_train_with_transform(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "train_with_transform.py"), "--epochs", "4")
    assert printed.count("loss") == 4
    scores = {k: float(v) for k, v in re.findall(r"^(clean|noisy)  ([\d.]+)$", printed, flags=re.MULTILINE)}
    assert scores["clean"] > 0.85 and scores["noisy"] > 0.4


@pytest.mark.slow
def test_own_optuna_study(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "own_optuna_study.py"), "--trials", "3", "--epochs", "3", "--out", "p.yaml")
    assert len(re.findall(r"^ *\d+  clean [\d.]+  noisy [\d.]+  \S", printed, flags=re.MULTILINE)) == 3
    assert "no noise" in printed.splitlines()[0]
    best = int(re.findall(r"best: trial (\d+)", printed)[0])
    names = ", ".join(s.name for s in load_policy(tmp_path / "p.yaml").steps) or "no noise"
    assert printed.splitlines()[best].endswith(f"  {names}")


@pytest.mark.slow
def test_own_model_in_a_search(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "-m",
        "autonoise",
        "search",
        "digits",
        "--model",
        f"{EXAMPLES / 'own_model.py'}:factory",
        "--trials",
        "1",
        "--epochs",
        "1",
        "--seeds",
        "3",
        "--train-rows",
        "150",
        "--out",
        "study",
    )
    assert "model Network" in printed
    assert (tmp_path / "study" / "policy.yaml").is_file()
    assert (tmp_path / "autonoise" / "example_backbone.safetensors").is_file()


@pytest.mark.slow
def test_own_model_starts_from_what_it_learnt_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    factory = load_factory(f"{EXAMPLES / 'own_model.py'}:factory")
    spec = InputSpec(data_type=DataType.IMAGE, layout=(1, 8, 8), classes=10)
    before = torch.get_rng_state()
    first, second = factory(spec, 10), factory(spec, 10)
    assert not torch.equal(torch.get_rng_state(), before)  # the classifier is fresh each time
    backbones = [{k: v for k, v in m.state_dict().items() if k.startswith("backbone")} for m in (first, second)]
    assert all(torch.equal(v, backbones[1][k]) for k, v in backbones[0].items())
    classifiers = [
        next(m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == 10)
        for model in (first, second)
    ]
    assert not torch.equal(classifiers[0].weight, classifiers[1].weight)
    statistics = [v for k, v in backbones[0].items() if k.endswith("running_mean")]
    assert statistics and all(bool(v.any()) for v in statistics)


@pytest.mark.slow
def test_search_from_python(tmp_path: Path) -> None:
    printed = run(tmp_path, str(EXAMPLES / "search_from_python.py"), "--quick")
    for name in ("arrays", "frame", "dataset"):
        assert (tmp_path / "studies" / name / "policy.yaml").is_file()
    assert printed.count("noisy_held_out") == 3
    assert printed.count("the report is studies/") == 3
