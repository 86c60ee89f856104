"""The command line in this process (fast) and as a real one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from autonoise.cli import main

from .running import SMALL, finish, start


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """``command("show", path)`` → status, out, err."""

    def run(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(status=status, out=captured.out, err=captured.err)

    return run


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A study from start to verdict, made by a real process."""
    out = tmp_path_factory.mktemp("cli") / "studies" / "tumours"
    made = finish(start("search", "breast_cancer", *SMALL, "--out", out))
    return SimpleNamespace(folder=out, **vars(made))
