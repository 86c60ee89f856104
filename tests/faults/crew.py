"""Real worker processes: they run the loop and the objective of a search, only their trainings sleep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from study_samples import config_of

from autonoise.study import storage
from autonoise.study.storage import finished, open_storage, open_study, patient_storage
from autonoise.study.trial_record import TrialRecord

HEARTBEAT, GRACE = 1, 3


def until(holds: Callable[[], object], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Crew:
    """Starts workers of one study and ends them after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url, self.name = folder, f"sqlite:///{folder}/study.db", folder.name
        self.workers: list[subprocess.Popen[str]] = []
        self._studies: list[optuna.Study] = []

    def study(self, trials: int) -> optuna.Study:
        """The study itself, with a short grace period, to look at."""
        before = storage.HEARTBEAT, storage.GRACE
        storage.HEARTBEAT, storage.GRACE = HEARTBEAT, GRACE
        try:
            self.config = config_of(self.folder, storage=self.url, trials=trials, study=self.name, engine="random")
            self._studies.append(open_study(self.config, open_storage(self.url)))
            return self._studies[-1]
        finally:
            storage.HEARTBEAT, storage.GRACE = before

    def join(self, trials: int, **how: Any) -> subprocess.Popen[str]:
        """One more worker. ``seconds``: what a training takes; ``deadly``: the technique whose training kills it."""
        given = {"url": self.url, "study": self.name, "folder": str(self.folder), "trials": trials, **how}
        given |= {"heartbeat": HEARTBEAT, "grace": GRACE, "index": len(self.workers)}
        root = Path(__file__).parents[2]
        env = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).with_name("a_worker.py")), json.dumps(given)]
        log = (self.folder / f"worker{len(self.workers)}.log").open("w")
        self.workers.append(subprocess.Popen(command, env=env, stdout=log, stderr=log, text=True))
        log.close()
        return self.workers[-1]

    def told(self, worker: int = 0) -> str:
        return (self.folder / f"worker{worker}.log").read_text()

    def done(self, seconds: float = 240.0) -> list[int]:
        """Wait for all workers; their exit statuses."""
        return [w.wait(seconds) for w in self.workers]

    def end(self) -> None:
        for w in self.workers:
            if w.poll() is None:
                w.send_signal(signal.SIGKILL)
                w.wait()
        for study in self._studies:
            opened = patient_storage(study)
            assert opened is not None
            opened.remove_session()
            opened.engine.dispose()


def at_work(study: optuna.Study, worker: subprocess.Popen[str]) -> bool:
    """Whether a worker is at a trial."""
    trials = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    return any(TrialRecord.of(t).pid == worker.pid for t in trials)


def counted(study: optuna.Study) -> int:
    return len(finished(study))
