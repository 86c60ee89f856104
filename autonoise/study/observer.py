"""What a search tells whoever watches it; the command line draws it, a notebook may ignore it."""

from __future__ import annotations

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
