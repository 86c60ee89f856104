"""What a search tells whoever watches it; the command line draws it, a notebook may ignore it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a search stands. Times in seconds; None where unknown.

    ``left``: until the last trial has ended. ``trying``: the policy of the newest trial, in words. ``after``: what
    confirming and judging will take then, an estimate.
    """

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
    after: float | None = None


def duration(seconds: float) -> str:
    """A time span as minutes and seconds, ``11:42``; from an hour on with hours, ``1:11:42``."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def in_words(p: Progress) -> str:
    """How far the search is, in a line.

    ``best 0.795 (clean 0.858, noisy 0.731), baseline 0.691 · 31 pruned · 0 failed · 11:42 left, then about 4:10 to
    confirm and judge``.
    """
    parts = []
    if p.best is not None:
        scores = f"best {_fixed(p.best)} (clean {_fixed(p.best_clean)}, noisy {_fixed(p.best_noisy)})"
        parts.append(scores + (f", baseline {_fixed(p.baseline)}" if p.baseline is not None else ""))
    parts += [f"{p.pruned} pruned", f"{p.failed} failed"]
    if p.done < p.total:
        later = "" if p.after is None else f"then about {duration(p.after)} to confirm and judge"
        left = "" if p.left is None else f"{duration(p.left)} left"
        parts.append(", ".join(part for part in (left, later) if part))
    return " · ".join(part for part in parts if part)


def phase_in_words(name: str, done: int, total: int, elapsed: float) -> str:
    """How far a later phase is: ``verdict: 3 of 15 trainings, each from a fresh seed, about 1:20 left``."""
    if total <= 1:
        return name
    left = f", about {duration(elapsed / done * (total - done))} left" if 0 < done < total else ""
    return f"{name}: {done} of {total} trainings, each from a fresh seed{left}"


def _fixed(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


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


class WhileSeen(Observer):
    """Tells another observer, until its terminal is gone: then nobody is told anything, and the search goes on."""

    def __init__(self, inner: Observer) -> None:
        self._inner, self._gone = inner, False

    def line(self, text: str) -> None:
        self._tell(lambda: self._inner.line(text))

    def progress(self, progress: Progress) -> None:
        self._tell(lambda: self._inner.progress(progress))

    def phase(self, name: str, done: int, total: int) -> None:
        self._tell(lambda: self._inner.phase(name, done, total))

    def close(self) -> None:
        self._tell(self._inner.close)

    def _tell(self, call: Callable[[], None]) -> None:
        if self._gone:
            return
        try:
            call()
        except OSError as e:
            if e.errno not in (errno.EIO, errno.ENXIO):
                raise
            self._gone = True


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
