"""The trainings after the search: each runs once, on one of several processes, and its result is kept on disk."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from autonoise.data.notes import told_already
from autonoise.errors import AutonoiseError, StudyError, one_line
from autonoise.evaluation.score import Score, evaluate
from autonoise.policy import Policy
from autonoise.study.budget import CONFIRM_SEVERITIES
from autonoise.study.config import StudyConfig
from autonoise.study.faults import KEPT, ended_by, is_memory, less_memory, of_machine
from autonoise.study.folder import UNUSABLE, RunResult, StudyFolder
from autonoise.study.prepare import build_task, ensure_corruptions, share_sets
from autonoise.study.processes import die_with, limited, one_thread
from autonoise.training.task import Fidelity, Task

POOL_PAYS = 10.0
"""Seconds of training ahead above which processes are started; for less, their start takes longer than it saves."""
GROUPS = {"confirm": ("search",), "test": ("search", "held_out")}


@dataclass(frozen=True)
class Job:
    """One training of a policy from a fresh seed, evaluated on the confirm or the test rows (``part``).

    ``size``: width of the proxy, ``rows``: share of the training rows; both 1 except where the transfer is measured.
    """

    policy: Policy
    part: str
    seed: int
    size: float = 1.0
    rows: float = 1.0

    @property
    def tag(self) -> str:
        """The part of the result's file name that tells runs of another size or share of rows apart."""
        return "" if self.size == self.rows == 1.0 else f"-z{self.size:g}-r{self.rows:g}"

    def fold(self, folds: int) -> int:
        """Seeds take the folds in turn."""
        return self.seed % folds

    def to_dict(self) -> dict[str, Any]:
        """Plain values for another process or machine; :meth:`from_dict` is the inverse."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"policy": self.policy.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """Raises PolicyError, KeyError, TypeError or ValueError for what is no training."""
        part = values["part"]
        if part not in GROUPS:
            raise ValueError(f"unknown part {part!r}")
        numbers = int(values["seed"]), float(values["size"]), float(values["rows"])
        return cls(Policy.from_dict(values["policy"]), part, *numbers)


def job_file(task: Task, folder: StudyFolder, job: Job) -> Path:
    """Where the result of a job is kept; no other job has a file of that name."""
    return folder.run_file(job.policy.hash, job.part, job.fold(task.folds), job.seed, job.tag)


def run_job(task: Task, folder: StudyFolder, job: Job) -> RunResult:
    """The stored result of a job, or train, evaluate and store it."""
    fold, path = job.fold(task.folds), job_file(task, folder, job)
    known = RunResult.load(path)
    if known is not None:
        return known
    start = time.perf_counter()
    trained = task.train(
        job.policy, seed=fresh_seed(task.seed, job.seed), fold=fold, fidelity=Fidelity(rows=job.rows), size=job.size
    )
    severities = (1, 2, 3, 4, 5) if job.part == "test" else CONFIRM_SEVERITIES
    scores = {g: evaluate(trained.model, task.sets(job.part, fold, g), severities) for g in GROUPS[job.part]}
    unusable = trained.diverged or not all(s.usable for s in scores.values())
    if unusable and not job.policy.steps:
        raise StudyError(UNUSABLE)
    result = _result(scores, time.perf_counter() - start, trained.passes, unusable)
    result.save(path)
    return result


def fresh_seed(study_seed: int, number: int) -> int:
    """The training seed of fresh seed ``number``; no trial of the search uses one of these."""
    return 1_000_003 * (study_seed + 1) + 7919 * (number + 1)


def _result(scores: dict[str, Score], seconds: float, passes: float, diverged: bool) -> RunResult:
    first = next(iter(scores.values()))
    noisy = {name: rows for s in scores.values() for name, rows in s.noisy_correct.items()}
    return RunResult(
        {g: s.flat() for g, s in scores.items()},
        {g: {n: list(v) for n, v in s.corruptions.items()} for g, s in scores.items()},
        first.correct,
        noisy,
        seconds,
        passes,
        diverged,
        {g: {k: v.round(6).tolist() for k, v in s.reliability.items()} for g, s in scores.items()},
    )


class Runner:
    """Runs jobs here, or on a pool of processes of one thread each; results come back in the order asked for."""

    def __init__(
        self, config: StudyConfig, task: Task, folder: StudyFolder, processes: int, ahead: float = math.inf
    ) -> None:
        """``ahead``: seconds that all trainings to come may take; for few short ones no processes are started."""
        self._config, self._task, self._folder = config, task, folder
        self._processes = processes if ahead > POOL_PAYS else 1
        self._apart = self._processes > 1
        self._pool: ProcessPoolExecutor | None = None
        self._members: list[Any] = []
        self.say: Callable[[str], None] = lambda text: None

    def run(
        self,
        jobs: Sequence[Job],
        *,
        stop: Callable[[], bool] = lambda: False,
        done: Callable[[int], None] = lambda n: None,
    ) -> list[RunResult | None]:
        """Results by job; None for jobs not begun when ``stop()`` became true."""
        different = {(j.policy.hash, j.part, j.seed, j.tag): j for j in jobs}
        self._train([j for j in different.values() if self._stored(j) is None], stop, done)
        return [self._stored(job) for job in jobs]

    def _file(self, job: Job) -> Path:
        return job_file(self._task, self._folder, job)

    def _train(self, missing: list[Job], stop: Callable[[], bool], done: Callable[[int], None]) -> None:
        if self._apart and (len(missing) > 1 or self._processes == 1):
            try:
                self._run_pool(missing, stop, done)
            except BrokenProcessPool:
                if stop():
                    self.close()
                else:
                    self._take_fewer()
                    self._train([j for j in missing if self._stored(j) is None], stop, done)
            return
        for n, job in enumerate(missing):
            if stop():
                break
            with told(job), limited(self._config.trial_timeout, "--trial-timeout"):
                run_job(self._task, self._folder, job)
            done(n + 1)

    def _how_one_ended(self) -> str:
        self.close()  # how its processes ended is known once all have
        return ended_by(p.exitcode for p in self._members)

    def _take_fewer(self) -> None:
        """After a process of the pool was killed: half as many at a time. StudyError where that cannot help."""
        how = self._how_one_ended()
        if "SIGKILL" not in how:
            raise StudyError(f"a training process {how}; {KEPT}: look for the cause in what it runs, and run again")
        if self._processes == 1:
            raise StudyError(f"a training process {how}, though it was the only one; {KEPT}: {less_memory(1)}")
        self._processes //= 2
        self.say(f"a training process {how}; going on with {self._processes} at a time")

    def _stored(self, job: Job) -> RunResult | None:
        return RunResult.load(self._file(job))

    def _submit(self, job: Job) -> Future[None]:
        """Have a process of the pool run a training; the pool is started with the first."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._processes, context, initializer=_start, initargs=(self._config, os.getpid())
            )
        future = self._pool.submit(_work, job.to_dict())
        self._members = list(self._pool._processes.values())
        return future

    def _run_pool(self, jobs: list[Job], stop: Callable[[], bool], done: Callable[[int], None]) -> None:
        waiting: Iterator[Job] = iter(jobs)
        running: dict[Future[None], Job] = {}
        finished = 0
        while True:
            while len(running) < self._processes and not stop():
                job = next(waiting, None)
                if job is None:
                    break
                running[self._submit(job)] = job
            if not running:
                return
            ready, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                with told(running.pop(future)):
                    future.result()
                finished += 1
                done(finished)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


@contextmanager
def told(job: Job) -> Iterator[None]:
    """A fault in a training becomes one line that names the policy and the remedy."""
    try:
        yield
    except (AutonoiseError, BrokenProcessPool):
        raise
    except Exception as e:
        if is_memory(one_line(e)):
            raise StudyError(str(of_machine(e))) from None
        raise StudyError(f"training with {job.policy.name!r} failed ({one_line(e)}): mend that and run again") from e


_STATE: dict[str, tuple[Task, StudyFolder, float | None]] = {}


def _start(config: StudyConfig, parent: int) -> None:
    one_thread()
    die_with(parent)
    import signal

    # who started this process says what is to end, and when it is gone, this process ends as well
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with told_already():
        task, folder = build_task(config), StudyFolder(config.out)
    ensure_corruptions(task, folder, seed=config.seed)
    share_sets(task, folder)
    _STATE["now"] = (task, folder, config.trial_timeout)


def _work(job: dict[str, Any]) -> None:
    task, folder, longest = _STATE["now"]
    with limited(longest, "--trial-timeout"):
        run_job(task, folder, Job.from_dict(job))
