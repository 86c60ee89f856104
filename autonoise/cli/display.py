"""What a search shows while it runs: a live line on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from dataclasses import replace

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autonoise.cli.output import duration, number
from autonoise.study.observer import Observer, Progress

BAR_WIDTH = 38
"""Longest progress bar, in characters."""


class Display(Observer):
    """What both displays share: printing a line, and the line on the baseline, which is printed once."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._baseline_told = False

    def line(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def _tell_baseline(self, p: Progress) -> None:
        if self._baseline_told or p.baseline is None:
            return
        self._baseline_told = True
        if p.best == p.baseline and p.best_clean is not None:
            self.line(f"baseline  clean {number(p.best_clean)}  noisy {number(p.best_noisy)}")
        else:
            self.line(f"baseline  score {number(p.baseline)}")


def words(p: Progress) -> str:
    """How far the search is, in a line.

    ``best 0.795 (clean 0.858, noisy 0.731), baseline 0.691 · 31 pruned · 0 failed · 11:42 left``.
    """
    parts = []
    if p.best is not None:
        scores = f"best {number(p.best)} (clean {number(p.best_clean)}, noisy {number(p.best_noisy)})"
        parts.append(scores + (f", baseline {number(p.baseline)}" if p.baseline is not None else ""))
    parts += [f"{p.pruned} pruned", f"{p.failed} failed"]
    if p.left is not None and p.done < p.total:
        parts.append(f"{duration(p.left)} left")
    return " · ".join(parts)


class PlainDisplay(Display):
    """For logs and pipes: one line per finished trial, and five lines per later phase (its start and each quarter)."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._done = -1
        self._phase: tuple[str, int] = ("", -1)

    def progress(self, progress: Progress) -> None:
        self._tell_baseline(progress)
        if progress.done == self._done:
            return
        self._done = progress.done
        if progress.done:
            self.line(f"{progress.done:>{len(str(progress.total))}}/{progress.total}  {words(progress)}")

    def phase(self, name: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        if total > 1 and (name, quarter) != self._phase:
            self._phase = (name, quarter)
            self.line(f"{name} {done}/{total}")


class LiveDisplay(Display):
    """For terminals: a bar, the best score so far, what is being tried and the time left, redrawn in place."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._progress: Progress | None = None
        self._phase: tuple[str, int, int] | None = None
        self._since = 0.0

    def progress(self, progress: Progress) -> None:
        self._progress, self._phase, self._since = progress, None, time.monotonic()
        self._start()
        self._tell_baseline(progress)

    def phase(self, name: str, done: int, total: int) -> None:
        self._phase = (name, done, total)
        self._start()

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _start(self) -> None:
        if self._live is None:
            self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True)
            self._live.start()

    def _render(self) -> Group:
        if self._phase is not None:
            name, done, total = self._phase
            return Group(self._bar(done, total, f"{name}: training, each from a fresh seed" if total > 1 else name))
        p = self._progress or Progress(0, 1)
        if p.left is not None:
            p = replace(p, left=max(p.left - (time.monotonic() - self._since), 0.0))
        trying = Text(f"trying {p.trying}" if p.trying else "", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(self._bar(p.done, p.total, words(p)), trying)

    def _bar(self, done: int, total: int, text: str) -> Table:
        width = min(BAR_WIDTH, self.console.width // 6)
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            f"{done:>{len(str(total))}}/{total}",
            ProgressBar(total=max(total, 1), completed=done, width=width),
            Text(text, overflow="fold"),
        )
        return grid


def make_display(console: Console, *, quiet: bool) -> Observer:
    """The display that fits: none when quiet, a live one on a terminal, plain lines anywhere else."""
    if quiet:
        return Observer()
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
