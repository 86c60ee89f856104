"""The trials of a search: what is queued before them, who runs them, and what is told of them."""

from __future__ import annotations

import math
import multiprocessing
import os
import time

import numpy as np
import optuna
from optuna.trial import TrialState

from autonoise.dashboard.artifacts import Artifacts
from autonoise.errors import StudyError
from autonoise.policy import Policy
from autonoise.study.bank import warm_start
from autonoise.study.export import write_current
from autonoise.study.faults import KEPT, ended_by, less_memory
from autonoise.study.observer import Progress
from autonoise.study.session import Crew, Session
from autonoise.study.storage import GRACE, HEARTBEAT, completed, finished, heed, running, sweep
from autonoise.study.trial_record import StudyRecord, attributes, write_facts
from autonoise.technique.words import counted
from autonoise.trials.guided import guide_of, sampler_of
from autonoise.trials.objective import Objective
from autonoise.trials.worker import process_entry, work

LIKELY = 3
"""Presets that a search tries where a portfolio is known: those with the highest expected gain."""
TRUSTED = 3
"""How many seed combinations of a space, the most promising ones, are never pruned after the short training."""
SWEEP = 10.0
"""Seconds after which the process that watches workers looks for trials whose worker is gone."""
UNTOLD = 60.0
"""Seconds without any trial after which a search whose workers are placed elsewhere says what they wait for."""


def enqueue(session: Session) -> None:
    """Queue the baseline and what is known to be good, before anything else is tried.

    That is the portfolio that was learned from other data (of a data type without one: what nearby studies found, and
    the seed combinations of the space), what the user's own studies found on data like these, and the presets.
    """
    space, study = session.space, session.study
    if StudyRecord.of(study).seeded:
        return
    banked = warm_start(session.task, session.folder) if session.config.memory else []
    guide = guide_of(session.config, space, session.task)
    portfolio = guide.learned.portfolio
    trusted = [(p, "memory") for p in (*portfolio, *banked)]
    others = [(p, "") for p in space.presets]
    if portfolio:
        # the others were measured on other data, too, and found wanting; the race after the search has all of them
        expected = guide.predict(space.presets)[0] if space.presets else ()
        others = [others[i] for i in np.argsort(-np.asarray(expected), kind="stable")[:LIKELY]]
    else:
        trusted += [(p, "seed") for p in space.seeds[:TRUSTED]]
        others = [(p, "") for p in space.seeds[TRUSTED:]] + others
    for policy, origin in [(Policy(space.data_type), ""), *trusted, *others]:
        attrs = attributes(origin=origin) if origin else None
        study.enqueue_trial(space.parameters_of(policy), user_attrs=attrs, skip_if_exists=True)
    write_facts(study, seeded=True)


def run_trials(session: Session) -> None:
    """Trials up to the total, on one worker here or several processes beside this one."""
    config, study, stop = session.config, session.study, session.stop
    before = len(finished(study))
    if before >= config.trials:
        return
    if before:
        session.observer.line(
            f"continuing: {before} of {counted(config.trials, 'trial')} {'is' if before == 1 else 'are'} there"
        )
    watch = _Watch(session, before)
    heed(study, stop, session.observer.line)
    while True:
        _round(session, watch)
        _await_others(session)
        # what workers on other machines lost is run here
        if stop() or stop.late or running(study) or len(finished(study)) >= config.trials:
            break
    if not completed(study, feasible=False):
        reasons = [record.reason for record in finished(study)]
        if stop.late:
            raise StudyError(f"--timeout {config.timeout:g} s was over before a trial was completed: give it more")
        if not stop():
            raise StudyError(f"no trial was completed; the last ended with: {next(iter(reasons[::-1]), 'nothing ran')}")


def _round(session: Session, watch: _Watch) -> None:
    """Trials until those that are finished or in work are as many as asked for."""
    config, study = session.config, session.study
    if session.crew is not None:
        _lead(session, watch, session.crew)
        return
    if config.workers > 1:
        _processes(session, watch)
        return
    trials = len(study.get_trials(deepcopy=False))
    study.sampler = sampler_of(config, session.space, session.task, trials=trials, worker=0)
    objective = Objective(session.task, session.space, config, watch.trying, Artifacts(config, session.task))
    work(study, objective, session.stop, after=watch.after_trial, say=session.observer.line)


class _Watch:
    """What is done around each trial: the deadline moves, policy.yaml is kept current, the observer is told."""

    def __init__(self, session: Session, before: int) -> None:
        """``before``: trials that were finished when this run began."""
        self._session, self._before, self._begun = session, before, time.time()
        self._trying = ""
        self._written: int | None = None

    def trying(self, text: str) -> None:
        """A trial has drawn its policy, here in words."""
        self._trying = text
        self._tell()

    def after_trial(self, study: optuna.Study) -> None:
        session = self._session
        session.stop.deadline = session.budget.deadline(study)
        self._written = write_current(session, self._written)
        self._tell()

    def _tell(self) -> None:
        self._session.observer.progress(progress_of(self._session, self._begun, self._before, self._trying))


def _lead(session: Session, watch: _Watch, crew: Crew) -> None:
    """Look on while others run the trials, until the total is there."""
    config, study, stop = session.config, session.study, session.stop
    begun, seen, swept, told = time.monotonic(), -1, time.monotonic(), False
    while not stop() and not stop.late and (now := len(finished(study))) < config.trials:
        crew.tend()
        if now != seen:
            seen = now
            watch.after_trial(study)
        if time.monotonic() - swept > SWEEP:
            sweep(study)
            swept = time.monotonic()
            if not told and swept - begun > UNTOLD and not running(study):
                told = True
                session.observer.line(f"no trial runs yet: {crew.wanted}; looking on")
        time.sleep(0.5)
    if stop():
        crew.dismiss()
    watch.after_trial(study)


def _await_others(session: Session) -> None:
    """Let workers that joined from elsewhere end their last trials, as long as these may reasonably take."""
    study, stop = session.study, session.stop
    longest = max((record.seconds for record in finished(study)), default=0.0)
    patience = max(GRACE + HEARTBEAT, 3 * longest)
    until = time.time() + patience
    if running(study):
        session.observer.line(f"waiting up to {patience:.0f} s for trials of other workers: {running(study)}")
    while running(study) and not stop() and not stop.late and time.time() < until:
        time.sleep(0.5)
    sweep(study)


def _processes(session: Session, watch: _Watch) -> None:
    config, study, stop = session.config, session.study, session.stop
    context = multiprocessing.get_context("spawn")
    # the deadline moves with the speed that the trials meet
    deadline = context.Value("d", stop.deadline or math.inf)
    workers = [
        context.Process(
            target=process_entry, args=(config, dict(session.space.source), i, os.getpid(), deadline), daemon=True
        )
        for i in range(config.workers)
    ]
    for process in workers:
        process.start()
    seen, swept = -1, time.monotonic()
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
        if time.monotonic() - swept > SWEEP:
            sweep(study)
            swept = time.monotonic()
        now = len(finished(study))
        if now != seen:
            seen = now
            watch.after_trial(study)
            deadline.value = stop.deadline or math.inf
    faulty = [p.exitcode for p in workers if p.exitcode not in (0, 130)]
    killed = ended_by(faulty) if -9 in faulty and not stop.asked else ""
    if killed and len(faulty) == len(workers):
        raise StudyError(f"no worker is left, and one {killed}; {KEPT}: {less_memory(config.workers)}")
    if killed:
        session.observer.line(f"a worker {killed}; its trial is run again")
    if len(faulty) == len(workers) and not stop.asked:
        reason = next((r.reason for r in finished(study) if r.state == TrialState.FAIL and r.reason), "")
        told = f"the first trial that failed ended with: {reason}; mend that and" if reason else "to see why,"
        raise StudyError(f"all workers died; {told} run with --workers 1")
    sweep(study)
    watch.after_trial(study)


def progress_of(session: Session, begun: float, before: int, trying: str) -> Progress:
    """Where the search stands. ``begun``: time at which its trials began, ``before``: trials that were there then."""
    study, config, deadline = session.study, session.config, session.stop.deadline
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
        session.budget.concluding(study),
    )
