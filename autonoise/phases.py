"""A whole search, from data to verdict. Every phase can be killed, and the same call goes on with it."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import optuna

from autonoise.corruptions.frozen import digest
from autonoise.dashboard.publish import publish
from autonoise.data import summary
from autonoise.errors import MissingExtraError, StudyError, one_line
from autonoise.files import dump_yaml, write_whole
from autonoise.on_ray import RayCrew, ray_crew
from autonoise.space.space import SearchSpace
from autonoise.study.budget import Budget, Evaluations
from autonoise.study.config import StudyConfig
from autonoise.study.export import versions
from autonoise.study.folder import StudyFolder
from autonoise.study.noise_data import with_noise_data
from autonoise.study.observer import Observer, WhileSeen
from autonoise.study.prepare import (
    baseline_numbers,
    build_task,
    describe,
    ensure_corruptions,
    share_sets,
    tell_few_groups,
    tell_noisy_parts,
)
from autonoise.study.processes import Stop, limited, one_thread, stop_on_interrupt
from autonoise.study.result import Result
from autonoise.study.session import Session
from autonoise.study.shared import Shared, share
from autonoise.study.storage import (
    claim,
    heed,
    open_storage,
    open_study,
    sweep,
    write_trials,
)
from autonoise.study.trial_record import write_facts
from autonoise.training.factory import ModelFactory
from autonoise.training.task import Task
from autonoise.trials.acting import offered
from autonoise.trials.loop import enqueue, run_trials
from autonoise.verdict.conclude import conclude
from autonoise.verdict.queue import Queue
from autonoise.verdict.sharing import SharedRunner
from autonoise.verdict.trainings import Runner

POOL_LIMIT = 4


@dataclass(frozen=True)
class Outcome:
    """How a search ended: its result (None when it was stopped before the verdict) and its folder."""

    result: Result | None
    folder: StudyFolder
    stopped: bool


def run_search(
    config: StudyConfig,
    space: SearchSpace | None = None,
    observer: Observer | None = None,
    factory: ModelFactory | None = None,
) -> Outcome:
    """Search, confirm, minimise, judge and export; continues where an earlier run of the same study ended.

    Raises DataError, SpaceError or StudyError in one line; what is on disk stays valid.
    """
    observer = WhileSeen(observer or Observer())
    started = time.time()
    one_thread()
    folder = StudyFolder(config.out)
    with folder.nothing_half_begun(), ExitStack() as held:
        return _run(config, space, observer, folder, started, factory, held)


def _run(
    config: StudyConfig,
    space: SearchSpace | None,
    observer: Observer,
    folder: StudyFolder,
    started: float,
    factory: ModelFactory | None,
    held: ExitStack,
) -> Outcome:
    _compare_with_disk(config, folder)
    # before all that takes long, since Ray may not be there
    crew = held.enter_context(ray_crew(config, observer))
    task = build_task(config, factory=factory)
    tell_noisy_parts(task)
    tell_few_groups(task)
    space = _space_for(config, space, task)
    folder.create()
    held.enter_context(folder.alone())
    untold: list[str] = []
    space = with_noise_data(config, space, task, folder)
    with limited(config.trial_timeout, "--trial-timeout"):
        space = offered(space, task, untold.append)
    study = open_study(config, open_storage(config.storage_url))
    heed(study, lambda: False, observer.line)
    facts = {
        "space_hash": space.hash,
        "data_fingerprint": task.dataset.fingerprint,
        "version_of_autonoise": versions()["autonoise"],
    }
    claim(study, config, facts)
    shared = Shared.of(study)
    if shared is not None:
        # begun in another folder, on another machine perhaps: it goes on with the same corruptions
        shared.write(folder)
    config.save(folder.study_file)
    write_whole(folder.space_file, dump_yaml(dict(space.source)))
    about = [describe(task), *summary.lines(task.dataset)[1:], *untold]
    for line in about:
        observer.line(line)
    write_facts(study, about=about)
    if crew is not None:
        # not for study.yaml: another day the cluster has room for more
        config = crew.sized()
    try:
        return _phases(config, space, task, study, folder, observer, started, crew)
    finally:
        observer.close()


def _phases(
    config: StudyConfig,
    space: SearchSpace,
    task: Task,
    study: optuna.Study,
    folder: StudyFolder,
    observer: Observer,
    started: float,
    crew: RayCrew | None,
) -> Outcome:
    stop = Stop()
    with stop_on_interrupt(stop, observer.line):
        observer.phase("calibrate", 0, 1)
        frozen = ensure_corruptions(task, folder, seed=config.seed, longest=config.trial_timeout)
        claim(study, config, {"frozen_corruptions": digest(frozen)})
        share(study, config, space, task, folder)
        share_sets(task, folder)
        numbers = baseline_numbers(folder)
        budget = Budget(
            config,
            len(space.presets),
            pool_size(config),
            numbers["seconds"],
            Evaluations.of(task, numbers),
            started,
            begun=time.time(),
        )
        stop.deadline = budget.deadline(study)
        sweep(study)
        session = Session(config, space, task, study, folder, budget, observer, stop, crew)
        enqueue(session)
        write_facts(study, phase="search")
        if crew is not None:
            crew.begin()
        run_trials(session)
        write_trials(study, folder)
        _show(session)
        if stop():
            return Outcome(None, folder, stopped=True)
        write_facts(study, phase="verdict")
        plan = budget.after_search(study, observer.line)
        runner = _runner(session, ahead=budget.reserve(plan, numbers["seconds"], 1))
        runner.say = observer.line
        try:
            result = conclude(session, runner, plan)
        finally:
            runner.close()
        if crew is not None and stop():
            crew.dismiss()
        if not stop():
            told = {} if result is None else {"verdict": result.verdict, "sentence": result.sentence}
            write_facts(study, **told, phase="done")
        _show(session)
    if result is not None:
        folder.forget_sets()
    return Outcome(result, folder, stopped=result is None and stop())


def _runner(session: Session, ahead: float) -> Runner:
    """Trainings after the search run here, and where the storage can be reached from elsewhere, there as well."""
    config, crew = session.config, session.crew
    queue = Queue.of(session.study) if config.storage is not None or crew is not None else None
    if queue is not None and crew is not None:
        return SharedRunner(config, session.task, session.folder, 0, queue=queue, tend=crew.tend)
    if queue is None:
        return Runner(config, session.task, session.folder, pool_size(config), ahead=ahead)
    return SharedRunner(config, session.task, session.folder, pool_size(config), ahead=ahead, queue=queue)


def _show(session: Session) -> None:
    """Notes and graphs for the dashboard, where it is installed; no fault there may cost a search its result."""
    try:
        publish(session.study, session.config)
    except MissingExtraError:
        return
    except Exception as e:
        session.observer.line(f"the notes for the dashboard could not be written: {one_line(e)}")


def pool_size(config: StudyConfig) -> int:
    """Trainings that are run side by side after the search."""
    if config.ray is not None:
        return config.workers
    return max(config.workers, min(os.cpu_count() or 1, POOL_LIMIT)) if config.model is None else config.workers


def _compare_with_disk(config: StudyConfig, folder: StudyFolder) -> None:
    if not folder.study_file.exists():
        return
    before = StudyConfig.load(folder.study_file)
    changed = config.differences(before)
    if changed:
        raise StudyError(
            f"{folder.root} holds a study with other settings ({'; '.join(changed)}): scores would not be comparable; "
            f"use another --study name, or the old settings"
        )


def _space_for(config: StudyConfig, space: SearchSpace | None, task: Task) -> SearchSpace:
    space = space or SearchSpace.load(config.space or str(task.dataset.data_type))
    if config.label_noise > 0 or config.label_matrix or config.clean_target:
        space = space.for_label_noise()
    space = space.for_steps(config.steps)
    if space.data_type != task.dataset.data_type:
        raise StudyError(
            f"the search space is for {space.data_type} data, but {config.data} is {task.dataset.data_type}: give the "
            f"right --space, or --data-type"
        )
    return space


def reload_config(path: str, **changes: Any) -> StudyConfig:
    """The config of a study folder, with some settings changed (a larger total, another timeout)."""
    config = StudyConfig.load(StudyFolder(path).study_file)
    return replace(config, **{k: v for k, v in changes.items() if v is not None})
