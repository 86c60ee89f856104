"""A worker: one process, one thread, one loop over trials on the study's storage."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from autonoise.dashboard.artifacts import Artifacts
from autonoise.data.notes import told_already
from autonoise.errors import AutonoiseError, StudyError
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.faults import is_memory, less_memory, of_machine
from autonoise.study.folder import StudyFolder
from autonoise.study.prepare import build_task, ensure_corruptions, share_sets
from autonoise.study.processes import Stop, die_with, one_thread, stop_on_interrupt
from autonoise.study.storage import finished, heed, open_storage, open_study, patient_storage, taken
from autonoise.study.trial_record import TrialRecord
from autonoise.trials.guided import sampler_of
from autonoise.trials.objective import Objective

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

FAULTS_IN_A_ROW = 8
"""Failed trials one after another after which a worker gives up."""
ALIKE_IN_A_ROW = 3
"""Failed trials one after another, all by the same kind of error, after which a worker gives up."""


def work(
    study: optuna.Study,
    objective: Objective,
    stop: Stop,
    after: Callable[[optuna.Study], None] = lambda study: None,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Run trials until the study has as many as its config asks for, the deadline passes or a stop is asked for.

    A fault (an exception in a model, out of memory) fails its trial, and the search goes on. The same worker raises
    StudyError after three faults of one kind in a row, or eight of any kind, with the first of them; at once where
    training without noise gives a model that is of no use. While the database does not answer it waits; a trial that
    was given to another worker meanwhile is dropped. Both are told by ``say``.
    """
    faults: list[str] = []
    last: list[FrozenTrial] = []

    def remember(_: optuna.Study, trial: FrozenTrial) -> None:
        last[:] = [trial]

    heed(study, stop, say)
    while not stop() and not stop.late and taken(study) < objective.config.trials:
        last.clear()
        _one_trial(study, objective, remember, say)
        if objective.hopeless:
            raise StudyError(objective.hopeless)
        failed = bool(last) and last[-1].state == TrialState.FAIL
        faults = [*faults, TrialRecord.of(last[-1]).reason or "unknown"] if failed else []
        after(study)
        alike = [f for f in faults[-ALIKE_IN_A_ROW:] if _kind(f) == _kind(faults[-1])]
        if len(alike) == ALIKE_IN_A_ROW or len(faults) >= FAULTS_IN_A_ROW:
            first = alike[0] if len(alike) == ALIKE_IN_A_ROW else faults[0]
            helps = less_memory(objective.config.workers) if is_memory(first) else "mend that and run again"
            raise StudyError(f"{len(faults)} trials in a row failed, the first with: {first}; {helps}")


def _kind(reason: str) -> str:
    """The kind of an error in ``Kind: message``."""
    return reason.partition(":")[0]


def _one_trial(
    study: optuna.Study,
    objective: Objective,
    remember: Callable[[optuna.Study, FrozenTrial], None],
    say: Callable[[str], None],
) -> None:
    begun: list[optuna.Trial] = []

    def tried(trial: optuna.Trial) -> float | tuple[float, float]:
        begun[:] = [trial]
        return objective(trial)

    try:
        study.optimize(tried, n_trials=1, catch=(Exception,), callbacks=[remember], show_progress_bar=False)
    except Exception:
        storage = patient_storage(study)
        if storage is not None and storage.fault:
            raise StudyError(storage.fault) from None
        # Optuna cannot end a trial that another worker has ended, since it took this one for dead
        if not begun or study._storage.get_trial(begun[-1]._trial_id).state == TrialState.RUNNING:
            raise
        say(f"trial {begun[-1].number} is dropped: this worker stood still so long that it was queued again; going on")


def run_worker(
    config: StudyConfig,
    space: SearchSpace,
    index: int,
    parent: int | None,
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
    share_sets(task, folder)
    study = open_study(config, open_storage(config.storage_url))
    trials = len(study.get_trials(deepcopy=False))
    study.sampler = sampler_of(config, space, task, trials=trials, worker=index)
    stop = Stop(deadline=deadline) if deadline is None or isinstance(deadline, float) else Stop(shared=deadline)
    with stop_on_interrupt(stop, lambda text: None):
        objective = Objective(task, space, config, attach=Artifacts(config, task))
        work(study, objective, stop, say=lambda text: _say(index, text))
    return len(finished(study))


def _say(index: int, text: str) -> None:
    with suppress(OSError):  # of a closed terminal
        sys.stderr.write(f"worker {index}: {text}\n")
        sys.stderr.flush()


def process_entry(
    config: StudyConfig, space: dict[str, Any], index: int, parent: int, deadline: Synchronized[float]
) -> None:
    """What a spawned process runs."""
    try:
        with told_already():
            run_worker(config, SearchSpace.from_dict(space), index, parent, deadline)
    except KeyboardInterrupt:
        os._exit(130)
    except AutonoiseError as e:
        _say(index, str(e))
        sys.exit(2)
    except Exception as e:
        told = of_machine(e, workers=config.workers, url=config.storage or "")
        if told is None:
            raise
        _say(index, told)
        sys.exit(2)
