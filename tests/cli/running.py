"""Starting the command line as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

Command = Callable[..., SimpleNamespace]
SMALL = ["--trials", "6", "--epochs", "2", "--seeds", "3"]


def start(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "autonoise", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
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


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
