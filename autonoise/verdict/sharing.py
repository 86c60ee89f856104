"""Who runs trainings that are handed out: the search itself, and workers that have joined it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from random import SystemRandom

from autonoise.errors import AutonoiseError, StudyError, one_line
from autonoise.files import write_whole
from autonoise.study.config import StudyConfig
from autonoise.study.faults import KEPT, less_memory
from autonoise.study.folder import RunResult, StudyFolder
from autonoise.study.processes import Stop, limited
from autonoise.training.task import Task
from autonoise.verdict.queue import Queue, Ticket
from autonoise.verdict.trainings import Job, Runner, job_file, run_job, told

POLL, LONGEST_POLL = 0.5, 15.0
"""Seconds between two looks for a training, at first and, growing while there is none, at most."""
SWEEP = 10.0
"""Seconds between two looks for trainings whose worker is gone."""
IDLE = 600.0
"""Seconds without any training, at work or waiting, after which a worker leaves."""


class SharedRunner(Runner):
    """A runner whose trainings are run by whoever is there: its own processes, and workers on other machines."""

    def __init__(
        self,
        config: StudyConfig,
        task: Task,
        folder: StudyFolder,
        processes: int,
        ahead: float = math.inf,
        *,
        queue: Queue,
        tend: Callable[[], None] = lambda: None,
    ) -> None:
        """``processes``: 0 lets workers elsewhere run everything; ``tend`` is called while they are waited for."""
        super().__init__(config, task, folder, processes, ahead)
        self.queue, self._tend = queue, tend

    def _train(self, missing: list[Job], stop: Callable[[], bool], done: Callable[[int], None]) -> None:
        left = {self._file(job).stem: job for job in missing}
        self.queue.hand_out(left)
        running: dict[Future[None], tuple[Ticket, ExitStack]] = {}
        finished, looked = 0, time.monotonic()
        try:
            while left and not (stop() and not running):
                before = len(left)
                self._tend()
                self._collect(left)
                self._begin(running, stop)
                for future in [f for f in running if f.done()]:
                    self._hand_in(future, *running.pop(future))
                if running:
                    wait(running, POLL, FIRST_COMPLETED)
                elif left:
                    time.sleep(POLL)
                for n in range(before - len(left)):
                    done(finished + n + 1)
                finished += before - len(left)
                if time.monotonic() - looked > SWEEP:
                    self.queue.sweep()
                    looked = time.monotonic()
        except BrokenProcessPool:
            how = self._how_one_ended()
            raise StudyError(f"a training process {how}; {KEPT}: {less_memory(self._processes)}") from None
        finally:
            for _, signs in running.values():
                signs.close()

    def _collect(self, left: dict[str, Job]) -> None:
        """Keep the results that have come in as files of the study, as those of trainings run here."""
        for key, result in self.queue.results(left).items():
            path = self._file(left[key])
            if RunResult.load(path) is None:
                write_whole(path, result)
            if RunResult.load(path) is None:
                raise StudyError(f"the result {key} that a worker sent is damaged: end the workers of other versions")
            del left[key]

    def _begin(self, running: dict[Future[None], tuple[Ticket, ExitStack]], stop: Callable[[], bool]) -> None:
        while len(running) < self._processes and not stop():
            ticket = self.queue.take()
            if ticket is None:
                return
            signs = ExitStack()
            signs.enter_context(self.queue.alive(ticket))
            running[self._submit(ticket.job)] = (ticket, signs)

    def _submit(self, job: Job) -> Future[None]:
        if self._processes > 1:
            return super()._submit(job)
        future: Future[None] = Future()
        try:
            with limited(self._config.trial_timeout, "--trial-timeout"):
                run_job(self._task, self._folder, job)
            future.set_result(None)
        except Exception as e:
            future.set_exception(e)
        return future

    def _hand_in(self, future: Future[None], ticket: Ticket, signs: ExitStack) -> None:
        with signs, told(ticket.job):
            try:
                future.result()
            except Exception as e:
                self.queue.fail(ticket, one_line(e))
                raise
        self.queue.finish(ticket, self._file(ticket.job).read_bytes())


def serve(
    queue: Queue,
    task: Task,
    config: StudyConfig,
    stop: Stop,
    over: Callable[[], bool],
    say: Callable[[str], None],
) -> int:
    """Run trainings that are handed out until the study is ``over``; returns how many.

    A worker leaves as well once nothing has been at work or waited for ``IDLE`` seconds.
    """
    count, pause, last = 0, POLL, time.monotonic()
    while not stop() and not stop.late:
        ticket = queue.take()
        if ticket is not None:
            count += _served(queue, ticket, task, config, say)
            pause, last = POLL, time.monotonic()
            continue
        if queue.busy():
            last = time.monotonic()
        if over() or time.monotonic() - last > IDLE:
            break
        # many workers must not ask at the same moments
        until = time.monotonic() + pause * SystemRandom().uniform(0.5, 1.0)
        while time.monotonic() < until and not stop():
            time.sleep(0.1)
        pause = min(1.5 * pause, LONGEST_POLL)
    return count


def _served(queue: Queue, ticket: Ticket, task: Task, config: StudyConfig, say: Callable[[str], None]) -> bool:
    """Run one training and hand in its result; False where it came to nothing."""
    folder = StudyFolder(config.out)
    path = job_file(task, folder, ticket.job)
    if path.stem != ticket.key:
        queue.fail(ticket, "this worker would train something else: it has other data or another version")
        return False
    try:
        with queue.alive(ticket):
            with limited(config.trial_timeout, "--trial-timeout"):
                run_job(task, folder, ticket.job)
            kept = queue.finish(ticket, path.read_bytes())
    except Exception as e:
        queue.fail(ticket, str(e) if isinstance(e, AutonoiseError) else one_line(e))
        say(f"a training failed: {one_line(e)}")
        return False
    if not kept:
        say("a training is dropped: this worker stood still so long that it was given to another; going on")
    return kept
