"""To train with a policy little is needed, and what is missing for more is named."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from autonoise.errors import SEARCH_PACKAGES, MissingExtraError, search_extra
from autonoise.ops.clips import load_clips

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = {"torch": "torch", "numpy": "numpy", "pydantic": "pydantic", "yaml": "PyYAML"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[>=<\[]", r)[0] for r in requirements}


def test_all_that_is_shipped_trains_without_what_a_search_needs() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "tests" / "try_core.py"), "--hide"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    policies, others = map(int, re.findall(r"\d+", done.stdout))
    assert policies >= 16 and others > 200


def test_what_is_installed_is_what_is_imported() -> None:
    extras = PROJECT["optional-dependencies"]
    assert names(PROJECT["dependencies"]) == set(CORE.values())
    assert names(extras["search"]) == set(SEARCH_PACKAGES.values())
    declared = {e.lower() for extra, packages in extras.items() if extra != "dev" for e in names(packages)}
    installed = {m for m, packages in packages_distributions().items() if declared & {p.lower() for p in packages}}
    # a notebook brings IPython; elsewhere nobody asks for it
    known = {*CORE, *SEARCH_PACKAGES, *sys.stdlib_module_names, *installed, *declared, "IPython"}
    for file in (ROOT / "autonoise").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            imported = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                imported = [str(node.module)]
            for module in imported:
                assert module.split(".")[0] in known, f"{file.name} imports {module}, which no extra installs"


def test_a_missing_package_is_told_with_the_remedy_of_what_was_asked_for() -> None:
    with pytest.raises(MissingExtraError) as told, search_extra("a search"):
        raise ModuleNotFoundError("No module named 'sklearn.metrics'", name="sklearn.metrics")
    line = 'a search needs scikit-learn, which is not installed: pip install "autonoise[search]"'
    assert str(told.value) == line
    with pytest.raises(MissingExtraError) as told, search_extra("a search"), search_extra("a part of it"):
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    assert str(told.value) == line
    with pytest.raises(MissingExtraError, match=r"clips needs soundfile.*autonoise\[audio\]"), search_extra("a search"):
        raise MissingExtraError.of("soundfile", "audio", "reading clips")


def test_what_no_extra_installs_stays_a_fault() -> None:
    for name in ("autonoise.nothing", "somebodys_package", None):
        with pytest.raises(ModuleNotFoundError), search_extra("a search"):
            raise ModuleNotFoundError("No module", name=name)
    with pytest.raises(ImportError, match="a broken library"), search_extra("a search"):
        raise ImportError("a broken library", name="scipy")


def test_clips_of_another_rate_name_the_extra_that_resamples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    np.savez(tmp_path / "clips.npz", X=np.ones((2, 80), np.float32), sample_rate=4000)
    monkeypatch.setitem(sys.modules, "julius.resample", None)
    assert load_clips(str(tmp_path / "clips.npz"), "", 4000, "cpu").lengths.tolist() == [80, 80]
    with pytest.raises(MissingExtraError, match=r"from 4000 to 8000 Hz needs julius.*autonoise\[audio\]"):
        load_clips(str(tmp_path / "clips.npz"), "", 8000, "cpu")
