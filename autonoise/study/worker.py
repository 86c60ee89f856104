"""A worker: one process, one thread, one loop over trials on the study's storage."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from autonoise.data.notes import unlogged
from autonoise.errors import AutonoiseError, StudyError
from autonoise.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.jobs import die_with, one_thread
from autonoise.study.objective import Objective
from autonoise.study.prepare import build_task, ensure_corruptions
from autonoise.study.sampler import make_sampler
from autonoise.study.storage import PREFIX, finished, open_storage, open_study, taken
from autonoise.task import Task

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

FAULTS_IN_A_ROW = 8


@dataclass
class Stop:
    """Becomes true once somebody wants the search to end after the running trial."""

    asked: bool = False
    deadline: float | None = None
    shared: Synchronized[float] | None = None
    _handlers: list[Any] = field(default_factory=list)

    def __call__(self) -> bool:
        return self.asked

    @property
    def late(self) -> bool:
        deadline = self.deadline if self.shared is None else self.shared.value
        return deadline is not None and time.time() > deadline


@contextmanager
def stop_on_interrupt(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) asks to stop, the second kills as usual. Outside the main thread: nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        stop.asked = True
        for s, handler in before.items():
            signal.signal(s, handler)
        say("stopping after what is running now; Ctrl-C again stops at once")

    for s in before:
        signal.signal(s, ask)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def work(
    study: optuna.Study, objective: Objective, config: StudyConfig, stop: Stop,
    after: Callable[[optuna.Study], None] = lambda study: None,
) -> None:
    """Run trials until the study has ``config.trials`` of them, the deadline passes or a stop is asked for.

    A fault (an exception in a model, out of memory) fails its trial, and the search goes on; the same worker
    raises StudyError after several faults in a row with nothing completed.
    """
    faults = 0
    last: list[FrozenTrial] = []

    def remember(_: optuna.Study, trial: FrozenTrial) -> None:
        last[:] = [trial]

    while not stop() and not stop.late and taken(study) < config.trials:
        study.optimize(objective, n_trials=1, catch=(Exception,), callbacks=[remember], show_progress_bar=False)
        failed = bool(last) and last[-1].state == TrialState.FAIL
        faults = faults + 1 if failed else 0
        after(study)
        if faults >= FAULTS_IN_A_ROW:
            reason = last[-1].user_attrs.get(PREFIX + "reason", "unknown")
            raise StudyError(f"{faults} trials in a row failed, the last with: {reason}; mend that and run again")


def make_objective(task: Task, space: SearchSpace, config: StudyConfig) -> Objective:
    return Objective(task, space, config)


def run_worker(
    config: StudyConfig, space: SearchSpace, index: int, parent: int | None,
    deadline: float | Synchronized[float] | None = None,
) -> int:
    """The whole of a further worker process; returns how many trials the study has at the end.

    A shared ``deadline`` is that of the process that started this one, which may move it.
    """
    one_thread()
    if parent is not None:
        die_with(parent)
    folder = StudyFolder(config.out)
    task = build_task(config)
    ensure_corruptions(task, folder, seed=config.seed)
    study = open_study(config, open_storage(config.storage_url))
    trials = len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(config.engine, prior=space.prior, seed=config.seed, trials=trials, worker=index)
    stop = Stop(deadline=deadline) if deadline is None or isinstance(deadline, float) else Stop(shared=deadline)
    with stop_on_interrupt(stop, lambda text: None):
        work(study, make_objective(task, space, config), config, stop)
    return len(finished(study))


def process_entry(
    config: StudyConfig, space: dict[str, Any], index: int, parent: int, deadline: Synchronized[float]
) -> None:
    """What a spawned process runs."""
    try:
        with unlogged():  # the process that started this one has told what was read
            run_worker(config, SearchSpace.from_dict(space), index, parent, deadline)
    except KeyboardInterrupt:
        os._exit(130)
    except AutonoiseError as e:
        sys.stderr.write(f"worker {index}: {e}\n")
        sys.exit(2)
