"""What a search shows while it runs: a live line on a terminal, plain lines anywhere else."""

from __future__ import annotations

import io
import math
import sys
import time
from dataclasses import replace
from typing import Any, TextIO

from rich.ansi import AnsiDecoder
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autonoise.cli.output import number
from autonoise.study.observer import Observer, Progress, in_words, phase_in_words

BAR_WIDTH = 38
"""Longest progress bar, in characters."""
MOST_LINES = 50
"""Lines on trials in a log, new bests aside: more would hide what matters."""


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


class Uncut(io.TextIOBase):
    """Stands for stdout or stderr while the live lines are drawn: whole lines are printed above them, as they came.

    Rich's own stand-in breaks long lines at the width of the terminal, and ends a line at every flush.
    """

    def __init__(self, console: Console, file: TextIO) -> None:
        self._console, self._file, self._open = console, file, ""
        self._decoder = AnsiDecoder()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        *whole, self._open = (self._open + text).split("\n")
        for line in whole:
            self._print(line)
        return len(text)

    def flush(self) -> None:
        """A part of a line waits for its end."""

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        return self._file.fileno()

    def end(self) -> None:
        """Print what has no end of line."""
        if self._open:
            self._print(self._open)
            self._open = ""

    def _print(self, line: str) -> None:
        self._console.print(self._decoder.decode_line(line), soft_wrap=True)


class PlainDisplay(Display):
    """For logs and pipes: a line per finished trial, and five lines per later phase (its start and each quarter).

    Of a search of more than ``MOST_LINES`` trials every second (third ...) one has a line, and each that is a new best.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._done = -1
        self._told = 0
        self._best = -math.inf
        self._since = 0.0
        self._phase: tuple[str, int] = ("", -1)

    def progress(self, progress: Progress) -> None:
        self._tell_baseline(progress)
        if progress.done == self._done:
            return
        self._done = progress.done
        pace, best = -(-progress.total // MOST_LINES), -math.inf if progress.best is None else progress.best
        due = progress.done - self._told >= pace or progress.done >= progress.total or best > self._best
        if progress.done and (due or not self._told):
            self._told, self._best = progress.done, best
            tried = f" · tried {progress.trying}" if progress.trying else ""
            self.line(f"{progress.done:>{len(str(progress.total))}}/{progress.total}  {in_words(progress)}{tried}")

    def phase(self, name: str, done: int, total: int) -> None:
        quarter = 4 * done // max(total, 1)
        if name != self._phase[0] or not done:
            self._since = time.monotonic()
        if total > 1 and (name, quarter) != self._phase:
            self._phase = (name, quarter)
            self.line(phase_in_words(name, done, total, time.monotonic() - self._since))


class LiveDisplay(Display):
    """For terminals: a bar, the best score so far, what is being tried and the time left, redrawn in place."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._progress: Progress | None = None
        self._phase: tuple[str, int, int] | None = None
        self._since = 0.0
        self._streams: dict[str, Uncut] = {}

    def progress(self, progress: Progress) -> None:
        self._progress, self._phase, self._since = progress, None, time.monotonic()
        self._start()
        self._tell_baseline(progress)

    def phase(self, name: str, done: int, total: int) -> None:
        if self._phase is None or self._phase[0] != name or not done:
            self._since = time.monotonic()
        self._phase = (name, done, total)
        self._start()

    def close(self) -> None:
        if self._live is not None:
            for name, stream in self._streams.items():
                setattr(sys, name, stream._file)
                stream.end()
            self._streams = {}
            self._live.stop()
            self._live = None

    def _start(self) -> None:
        if self._live is None:
            self._live = Live(
                get_renderable=self._render,
                console=self.console,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            # what goes to a file is not touched
            terminals = {n: s for n in ("stdout", "stderr") if (s := getattr(sys, n)).isatty()}
            self._streams = {name: Uncut(self.console, stream) for name, stream in terminals.items()}
            for name, stream in self._streams.items():
                setattr(sys, name, stream)

    def _render(self) -> Group:
        if self._phase is not None:
            name, done, total = self._phase
            return Group(self._bar(done, total, phase_in_words(name, done, total, time.monotonic() - self._since)))
        p = self._progress or Progress(0, 1)
        if p.left is not None:
            p = replace(p, left=max(p.left - (time.monotonic() - self._since), 0.0))
        trying = Text(f"trying {p.trying}" if p.trying else "", style="dim", overflow="fold")
        return Group(self._bar(p.done, p.total, in_words(p)), trying)

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
    """The display that fits: none when quiet, a live one on a terminal that can redraw, plain lines anywhere else."""
    if quiet:
        return Observer()
    live = console.is_terminal and not console.is_dumb_terminal
    return LiveDisplay(console) if live else PlainDisplay(console)
