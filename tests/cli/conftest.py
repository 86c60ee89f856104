"""The command line in this process (fast) and as a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from autonoise.cli import main

SMALL = ["--trials", "6", "--epochs", "2", "--seeds", "3"]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """``command("show", path)`` → status, out, err."""

    def run(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(status=status, out=captured.out, err=captured.err)

    return run


def start(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "autonoise", *map(str, arguments)], cwd=cwd, env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> SimpleNamespace:
    out, err = process.communicate(timeout=300)
    return SimpleNamespace(status=process.returncode, out=out, err=err)


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Fails when the process ends first, or nothing happens for minutes."""
    deadline = time.monotonic() + 240
    while not true():
        assert process.poll() is None, f"ended with {process.returncode}: {process.communicate()}"
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A study from start to verdict, made by a real process."""
    out = tmp_path_factory.mktemp("cli") / "studies" / "tumours"
    made = finish(start("search", "breast_cancer", *SMALL, "--out", out))
    return SimpleNamespace(folder=out, **vars(made))
