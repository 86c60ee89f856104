"""A study at work: what the search and the verdict of one run share, handed on as one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import optuna

from autonoise.space.space import SearchSpace
from autonoise.study.budget import Budget
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import Observer
from autonoise.study.processes import Stop
from autonoise.training.task import Task


class Crew(Protocol):
    """Workers that something else (Ray) places and restarts; the search itself then runs no training."""

    def begin(self) -> None:
        """Place the workers: the study can be joined now."""

    def tend(self) -> None:
        """Look after them while there is work; to be called often. StudyError once no worker is left."""

    def dismiss(self) -> None:
        """Let them end what they are at, and wait for it."""

    @property
    def wanted(self) -> str:
        """What one worker needs, in words."""


@dataclass
class Session:
    """One run of a study, from its first trial to its verdict.

    ``study`` holds the trials, ``folder`` everything else that is on disk. ``observer`` is told what happens; ``stop``
    becomes true once somebody wants the run to end; ``budget`` says what there is time for. ``crew``: None where this
    machine runs the trials.
    """

    config: StudyConfig
    space: SearchSpace
    task: Task
    study: optuna.Study
    folder: StudyFolder
    budget: Budget
    observer: Observer = field(default_factory=Observer)
    stop: Stop = field(default_factory=Stop)
    crew: Crew | None = None

    @property
    def families(self) -> Mapping[str, str]:
        """Name of a corruption → its family; the user's own noisy rows are a corruption and a family, "real"."""
        real = {"real": "real"} if self.task.real else {}
        return {f.name: str(f.family) for f in self.task.frozen} | real

    def counter(self, phase: str, total: int) -> Callable[[int], None]:
        """A function to call after each training of a phase; it tells the observer how many of ``total`` are done."""
        seen = 0

        def done(_: int) -> None:
            nonlocal seen
            seen += 1
            self.observer.phase(phase, seen, max(total, seen))

        self.observer.phase(phase, 0, total)
        return done
