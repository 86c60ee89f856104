"""Searches in processes of their own, forked from the tests' process, which has imported everything already."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import sqlite3
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crew import until
from study_samples import with_few_corruptions

from autonoise.files import dump_yaml

MODEL = """
import time
from pathlib import Path
from torch import nn
folder = Path(__file__).parent
class Net(nn.Linear):
    def forward(self, x):
        if (folder / "delay").exists() and self.training: time.sleep(float((folder / "delay").read_text()))
        {code}
        return 30 * super().forward(x["numeric"] if isinstance(x, dict) else x)
def make(spec, classes):
    net = Net(spec.layout[-1], classes)
    nn.init.zeros_(net.weight)
    return net
"""
STEPS = [{"technique": "gaussian_noise", "std": 0.2}, {"technique": "mixup", "alpha": 0.2}]
SPACE = {
    "format": "autonoise-space/1",
    "data_type": "tabular",
    "max_techniques": 2,
    "expected_techniques": 1.5,
    "techniques": {"gaussian_noise": {"std": [0.05, 1.0]}, "mixup": {"alpha": [0.1, 1.0]}},
    "presets": [{"name": "both", "source": "made for this test", "steps": STEPS}],
}
"""Its only preset has two techniques, so that there is something to minimise."""


class Forked:
    """A process that runs ``call`` and ends with the status that it returns. ``tty``: on a terminal of its own."""

    def __init__(self, call: Callable[[], int], log: Path, *, tty: bool = False) -> None:
        self.log, self.terminal, self._told = log, -1, b""
        self._status: int | None = None
        if tty:
            self.pid, self.terminal = pty.fork()
        else:
            self.pid = os.fork()
        if self.pid == 0:
            self._child(call, tty)
        if tty:
            fcntl.fcntl(self.terminal, fcntl.F_SETFL, os.O_NONBLOCK)

    def _child(self, call: Callable[[], int], tty: bool) -> None:
        status = 70
        try:
            if not tty:
                os.setsid()
                file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, 1)
                os.dup2(file, 2)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, closefd=False) for n in (1, 2))
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for s in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(s, signal.SIG_DFL)
            status = call()
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
            finally:
                os._exit(status)

    def told(self) -> str:
        if self.terminal < 0:
            return self.log.read_text() if self.log.exists() else ""
        try:
            while part := os.read(self.terminal, 65536):
                self._told += part
        except OSError:  # nothing more now, or the other side has closed
            pass
        return self._told.decode(errors="replace")

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def press_ctrl_c(self) -> None:
        os.write(self.terminal, b"\x03")

    def close_terminal(self) -> None:
        os.close(self.terminal)
        self.terminal = -1

    def ended(self) -> int | None:
        """The exit status, minus the signal; None while it runs."""
        if self.terminal >= 0:
            self.told()  # or it would wait for somebody to read
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, seconds: float = 240.0) -> int:
        until(lambda: self.ended() is not None, seconds)
        assert self._status is not None
        return self._status

    def end(self) -> None:
        if self.ended() is None:
            self.send(signal.SIGKILL)
            self.wait()
        if self.terminal >= 0:
            self.close_terminal()


class Place:
    """A folder with data, a model of the user's own and a space; ``search`` runs the command on them."""

    def __init__(self, root: Path, code: str = "pass") -> None:
        self.root, self.out = root, root / "study"
        rng = np.random.default_rng(0)
        y = np.arange(300) % 3
        x = rng.normal(size=(300, 2)) * 0.4 + np.stack([np.cos(2.1 * y), np.sin(2.1 * y)], 1)
        np.savez(root / "rows.npz", x=x.astype(np.float32), y=y)
        (root / "own.py").write_text(textwrap.dedent(MODEL).format(code=code))
        (root / "space.yaml").write_text(dump_yaml(SPACE))
        self.started: list[Forked] = []

    def command(self, **options: Any) -> list[str]:
        given = {"out": self.out, "trials": 4, "epochs": 6, "seeds": 3, "space": self.root / "space.yaml"}
        given |= {"model": f"{self.root / 'own.py'}:make", "data_type": "tabular", **options}
        words = [word for k, v in given.items() if v is not None for word in (f"--{k.replace('_', '-')}", str(v))]
        return ["search", str(self.root / "rows.npz"), "--no-memory", *words]

    def search(self, *, tty: bool = False, before: Callable[[], None] = lambda: None, **options: Any) -> Forked:
        """Begin the search, or go on with it. ``before`` is called first in the new process."""
        words = self.command(**options)

        def call() -> int:
            from autonoise.cli import main

            before()
            sys.argv = ["autonoise", *words]
            return main(words)

        self.started.append(Forked(call, self.root / f"log{len(self.started)}", tty=tty))
        return self.started[-1]

    def slow(self, seconds: float) -> None:
        """What each pass of a training takes from now on; there are some 12 in a full one."""
        (self.root / "delay").write_text(str(seconds))

    def trials(self) -> dict[int, str]:
        """Number of each trial → its state, read beside whoever writes."""
        file = self.out / "study.db"
        if not file.exists():
            return {}
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as db:
            try:
                return dict(db.execute("select number, state from trials where state != 'WAITING'").fetchall())
            except sqlite3.OperationalError:  # its tables are being made
                return {}

    def complete(self) -> set[int]:
        return {number for number, state in self.trials().items() if state in ("COMPLETE", "PRUNED")}

    def begun(self) -> int:
        """How many trials were begun by a worker that has said which process it is."""
        file = self.out / "study.db"
        if not file.exists():
            return 0
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as db:
            try:
                query = "select count(*) from trial_user_attributes where key = 'autonoise.process'"
                return int(db.execute(query).fetchone()[0])
            except sqlite3.OperationalError:
                return 0

    def end(self) -> None:
        for one in self.started:
            one.end()


@contextmanager
def made(root: Path, code: str = "pass") -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        with_few_corruptions(patch)
        place = Place(root, code)
        try:
            yield place
        finally:
            place.end()


def back_at_work(place: Place, process: Forked, after: int) -> float:
    """Seconds until the search has completed one trial more than ``after``."""
    begun = time.monotonic()
    until(lambda: len(place.complete()) > after or process.ended() is not None, 240)
    return time.monotonic() - begun
