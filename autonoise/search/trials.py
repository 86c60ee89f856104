"""A whole search, from data to verdict. Every phase can be killed and is picked up by the same command."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable

import optuna
from optuna.trial import TrialState

from autonoise.errors import StudyError
from autonoise.policy import Policy
from autonoise.search.objective import Objective
from autonoise.search.sampler import make_sampler
from autonoise.search.worker import process_entry, work
from autonoise.space.space import SearchSpace
from autonoise.study.bank import warm_start
from autonoise.study.budget import Budget
from autonoise.study.config import StudyConfig
from autonoise.study.export import write_current
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import Observer, Progress
from autonoise.study.processes import Stop
from autonoise.study.storage import completed, finished, running, sweep
from autonoise.study.trial_record import StudyRecord, attributes, write_facts
from autonoise.training.task import Task

TRUSTED = 3
"""Seeds, the most promising of a space first, that get a full training whatever the short one says."""


def _enqueue(config: StudyConfig, space: SearchSpace, task: Task, study: optuna.Study, folder: StudyFolder) -> None:
    """The baseline, the seed combinations, presets and what nearby studies found, before anything else."""
    if StudyRecord.of(study).seeded:
        return
    banked = warm_start(task, folder) if config.memory else []
    trusted = [(p, "memory") for p in banked] + [(p, "seed") for p in space.seeds[:TRUSTED]]
    others = [(p, "") for p in (*space.seeds[TRUSTED:], *space.presets)]
    for policy, origin in [(Policy(space.data_type), ""), *trusted, *others]:
        attrs = attributes(origin=origin) if origin else None
        study.enqueue_trial(space.parameters_of(policy), user_attrs=attrs, skip_if_exists=True)
    write_facts(study, seeded=True)


def _search(
    config: StudyConfig,
    space: SearchSpace,
    task: Task,
    study: optuna.Study,
    folder: StudyFolder,
    observer: Observer,
    stop: Stop,
    budget: Budget,
) -> None:
    """Trials up to the total, on one worker here or several processes beside this one."""
    before = len(finished(study))
    if before >= config.trials:
        return
    if before:
        observer.line(f"continuing: {before} of {config.trials} trials are there")
    known: list[int] = []
    begun = time.time()
    trying = [""]

    def show(study: optuna.Study) -> None:
        stop.deadline = budget.deadline(study)
        write_current(study, task, config, folder, known)
        observer.progress(progress_of(study, config, begun, before, stop.deadline, trying[0]))

    if config.workers == 1:
        trials = len(study.get_trials(deepcopy=False))
        study.sampler = make_sampler(config.engine, prior=space.prior, seed=config.seed, trials=trials, worker=0)
        objective = Objective(task, space, config, watch=_watcher(trying, observer, study, config, begun, before, stop))
        work(study, objective, config, stop, after=show)
    else:
        _processes(config, space, study, stop, show)
    _await_others(study, stop, observer)
    if not completed(study, feasible=False):
        reasons = [record.reason for record in finished(study)]
        if stop.late:
            raise StudyError(f"--timeout {config.timeout:g} s was over before a trial was completed: give it more")
        if not stop():
            raise StudyError(f"no trial was completed; the last ended with: {next(iter(reasons[::-1]), 'nothing ran')}")


def _watcher(
    trying: list[str],
    observer: Observer,
    study: optuna.Study,
    config: StudyConfig,
    begun: float,
    before: int,
    stop: Stop,
) -> Callable[[str], None]:
    def watch(text: str) -> None:
        trying[0] = text
        observer.progress(progress_of(study, config, begun, before, stop.deadline, text))

    return watch


def _await_others(study: optuna.Study, stop: Stop, observer: Observer) -> None:
    """Let workers that joined from elsewhere end their last trials, as long as these may reasonably take."""
    longest = max((record.seconds for record in finished(study)), default=0.0)
    patience = max(60.0, 3 * longest)
    until = time.time() + patience
    if running(study):
        observer.line(f"waiting up to {patience:.0f} s for trials of other workers: {running(study)}")
    while running(study) and not stop() and not stop.late and time.time() < until:
        time.sleep(0.5)


def _processes(
    config: StudyConfig, space: SearchSpace, study: optuna.Study, stop: Stop, show: Callable[[optuna.Study], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    # the deadline moves with the speed that the trials meet
    deadline = context.Value("d", stop.deadline or math.inf)
    workers = [
        context.Process(target=process_entry, args=(config, dict(space.source), i, os.getpid(), deadline), daemon=True)
        for i in range(config.workers)
    ]
    for process in workers:
        process.start()
    seen = -1
    while any(p.is_alive() for p in workers):
        time.sleep(0.5)
        if stop.asked:
            for process in workers:
                if process.is_alive() and process.pid:
                    os.kill(process.pid, 15)
            stop.asked = True
            for process in workers:
                process.join()
            break
        now = len(finished(study))
        if now != seen:
            seen = now
            show(study)
            deadline.value = stop.deadline or math.inf
    faulty = [p.exitcode for p in workers if p.exitcode not in (0, 130)]
    if len(faulty) == len(workers) and not stop.asked:
        raise StudyError("all workers died; run with --workers 1 to see why")
    sweep(study)
    show(study)


def progress_of(
    study: optuna.Study, config: StudyConfig, begun: float, before: int, deadline: float | None, trying: str
) -> Progress:
    trials = finished(study)
    best = next(iter(completed(study)), None)
    base = next((record for record in completed(study, feasible=False) if record.without_noise), None)
    new = len(trials) - before
    left = (time.time() - begun) / new * (config.trials - len(trials)) if new else None
    if deadline is not None:
        until = max(deadline - time.time(), 0.0)
        left = until if left is None else min(left, until)
    return Progress(
        len(trials),
        config.trials,
        best.score if best else None,
        best.clean if best else None,
        best.noisy if best else None,
        base.score if base else None,
        sum(t.state == TrialState.PRUNED for t in trials),
        sum(t.state == TrialState.FAIL for t in trials),
        left,
        trying,
    )
