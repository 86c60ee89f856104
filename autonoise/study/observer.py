"""What a search tells whoever watches it; the command line draws it, a notebook may ignore it."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a search stands. Times in seconds; ``left`` None when unknown."""

    done: int
    total: int
    best: float | None = None
    best_clean: float | None = None
    best_noisy: float | None = None
    baseline: float | None = None
    pruned: int = 0
    failed: int = 0
    left: float | None = None
    trying: str = ""


class Observer:
    """Silent by default; override what you want to see."""

    def line(self, text: str) -> None:
        """Something worth a line: the data, the baseline, a phase, the verdict."""

    def progress(self, progress: Progress) -> None:
        """The search moved on."""

    def phase(self, name: str, done: int, total: int) -> None:
        """Trainings of a phase after the search: ``confirm``, ``minimise``, ``verdict``."""

    def close(self) -> None:
        """The display is no longer needed."""


class Lines(Observer):
    """Plain lines on standard output: what is told, one for each finished trial, the start and end of each phase."""

    def __init__(self) -> None:
        self._done = -1

    def line(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def progress(self, progress: Progress) -> None:
        if progress.done == self._done:
            return
        self._done = progress.done
        best = "" if progress.best is None else f"  best {progress.best:.3f}"
        base = "" if progress.baseline is None else f", no noise {progress.baseline:.3f}"
        self.line(f"{progress.done}/{progress.total}{best}{base}")

    def phase(self, name: str, done: int, total: int) -> None:
        if total > 1 and done in (0, total):
            self.line(f"{name} {done}/{total}")
