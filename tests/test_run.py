"""The public way in: ``autonoise.search`` on what people hold, in a script, with their own model and space."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn
from torch.utils.data import TensorDataset

import autonoise
from autonoise.calling import main_not_imported_again
from autonoise.errors import DataError, StudyError
from autonoise.found import SearchResult
from autonoise.run import search
from autonoise.study.observer import Observer

QUICK: dict[str, Any] = {"trials": 2, "epochs": 1, "seeds": 3, "memory": False}
X, Y = load_iris(return_X_y=True)
SPACE = {
    "format": "autonoise-space/1", "data_type": "tabular", "max_techniques": 1,
    "techniques": {"gaussian_noise": {"std": [0.05, 0.5]}},
}  # fmt: skip


class Watching(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    folder = tmp_path_factory.mktemp("iris") / "study"
    return search((X, Y), out=folder, space=SPACE, progress=False, **QUICK)


def test_arrays_end_in_a_policy_a_verdict_a_table_and_a_report(found: SearchResult) -> None:
    assert found.policy.data_type == "tabular"
    assert [s.name for s in found.policy.steps] == ["gaussian_noise"]
    assert found.verdict is not None
    assert found.sentence.startswith(found.verdict)
    assert "<html" in found.report.read_text()
    assert not found.stopped
    table = found.table()
    assert {"baseline", "policy"} <= set(table.index)
    clean = table.loc["policy", ["clean_low", "clean", "clean_high"]].astype(float)
    assert clean.is_monotonic_increasing
    assert 0.3 < clean["clean"] <= 1
    shown = found._repr_html_()
    assert "<table" in shown
    assert found.recommendation.split(":")[0] in shown


def test_the_same_call_continues(found: SearchResult, capsys: pytest.CaptureFixture[str]) -> None:
    again = search((X, Y), out=found.folder.root, space=SPACE, **QUICK)
    assert again.sentence == found.sentence
    assert found.sentence in capsys.readouterr().out  # progress is told unless progress=False
    # and so does the folder alone: the data lie in it
    assert search(found.folder.root, progress=False).sentence == found.sentence
    assert len(list(found.folder.root.glob("data-*"))) == 1


def test_other_data_never_take_the_place_of_the_first(found: SearchResult) -> None:
    with pytest.raises(StudyError, match="another data fingerprint"):
        search((X + 1, Y), out=found.folder.root, space=SPACE, progress=False, **QUICK)
    assert search(found.folder.root, progress=False).sentence == found.sentence
    assert len(list(found.folder.root.glob("data-*"))) == 1  # what was refused is not kept


def test_rows_without_labels_are_refused(tmp_path: Path) -> None:
    for data in (X, torch.from_numpy(X), (X, Y, X)):
        with pytest.raises(DataError, match=r"give a path, \(X, y\)"):
            search(data, out=tmp_path / "study", progress=False, **QUICK)
    with pytest.raises(DataError, match="missing or infinite label"):
        search((X, np.where(np.arange(150) == 7, np.nan, Y)), out=tmp_path / "study", progress=False, **QUICK)
    assert not (tmp_path / "study").exists()


def test_a_frame_and_a_data_set_are_read_as_arrays_are(tmp_path: Path) -> None:
    watching = Watching()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(kind=np.array(["x", "y", "z"])[Y])
    config = search(frame, target="kind", out=tmp_path / "frame", progress=watching, space=SPACE, **QUICK).config
    assert config.target == "kind"
    assert Path(config.data).suffix == ".parquet"
    assert watching.lines[0].startswith("tabular · 150 rows, 3 classes")
    assert any("x (50), y (50), z (50)" in line for line in watching.lines)


class Small(nn.Module):
    def __init__(self, spec: autonoise.InputSpec, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(spec.layout[0] * spec.layout[1], 8), nn.ReLU())
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.layers(x))
        return out


def test_a_model_that_is_a_function(tmp_path: Path) -> None:
    made: list[int] = []

    def factory(spec: autonoise.InputSpec, classes: int) -> nn.Module:
        made.append(classes)
        return Small(spec, classes)

    t = torch.linspace(0, 6.3, 40)
    y = torch.arange(120) % 2
    rng = torch.Generator().manual_seed(0)
    x = torch.sin(t * (1 + y[:, None]))[:, None] + 0.2 * torch.randn(120, 1, 40, generator=rng)
    space = {**SPACE, "data_type": "timeseries"}
    options = {**QUICK, "epochs": 20, "space": space, "progress": False}
    result = search(TensorDataset(x, y), out=tmp_path / "study", model=factory, **options)
    assert set(made) == {2}
    assert result.config.model == "in memory:factory"
    with pytest.raises(StudyError, match="function in memory"):
        search(tmp_path / "study", progress=False, trials=3)
    with pytest.raises(StudyError, match="workers=1 is needed"):
        search(TensorDataset(x, y), out=tmp_path / "other", model=factory, workers=2, **options)
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for settings, says in (
        ({"trails": 3}, "there is no setting 'trails'"),
        ({"trials": 0}, "--trials >= 1 must hold"),
        ({"timeout": "soon"}, "--timeout must be a duration"),
        ({"model": 7}, "model must be a function"),
    ):
        with pytest.raises(StudyError, match=says):
            search((X, Y), out=tmp_path / "study", progress=False, **settings)
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_a_script_without_a_main_guard_may_use_several_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import autonoise\nfrom sklearn.datasets import load_iris\n"
        "print('begun')\n"
        "result = autonoise.search(load_iris(return_X_y=True), trials=2, epochs=1, seeds=3, workers=2, out='study')\n"
        "print('ended', result.verdict is not None, __file__.endswith('script.py'))\n"
    )
    root = Path(autonoise.__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("begun") == 1
    assert "ended True True" in done.stdout


def test_a_search_that_finds_nothing_says_so(tmp_path: Path) -> None:
    """One trial is the one without noise, and this space has no presets."""
    result = search((X, Y), out=tmp_path / "study", space=SPACE, progress=False, **{**QUICK, "trials": 1})
    assert result.verdict is None
    assert not result.stopped
    assert "no policy was found" in result.sentence
    assert "train without noise" in repr(result)
    with pytest.raises(StudyError, match="there is no verdict"):
        result.table()
    with pytest.raises(StudyError, match="holds no policy"):
        _ = result.policy


def test_processes_do_not_import_the_callers_program_by_its_name_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m program`` sets ``__spec__``, by which multiprocessing would import the program again."""
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", "of the program", raising=False)
    monkeypatch.setattr(main, "__file__", "program.py", raising=False)
    with pytest.raises(ValueError, match="a fault"), main_not_imported_again():
        assert main.__spec__ is None
        assert not hasattr(main, "__file__")
        raise ValueError("a fault")
    assert (main.__spec__, main.__file__) == ("of the program", "program.py")
