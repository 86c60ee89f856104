"""The displays of a search: live on a terminal, plain lines in a log, and what a model prints meanwhile."""

from __future__ import annotations

import io
import math
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from autonoise.cli.display import LiveDisplay, PlainDisplay, make_display
from autonoise.cli.output import spent_in_words
from autonoise.study.observer import Observer, Progress, duration, in_words, phase_in_words
from autonoise.study.result import Counts, Result, Spent

FIRST = Progress(1, 200, 0.691, 0.871, 0.511, 0.691, left=900.0, trying="no noise")
LATER = Progress(
    73, 200, 0.795, 0.858, 0.731, 0.691, pruned=31, failed=2, left=702.0, trying="mixup (alpha 0.2)", after=250.0
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def console(*, terminal: bool, width: int = 160) -> tuple[Console, io.StringIO]:
    out = Terminal() if terminal else io.StringIO()
    return Console(file=out, force_terminal=terminal, width=width, markup=False, highlight=False), out


def test_words_say_what_design_promises() -> None:
    assert in_words(LATER) == (
        "best 0.795 (clean 0.858, noisy 0.731), baseline 0.691 · 31 pruned · 2 failed · 11:42 left, then about 4:10 to "
        "confirm and judge"
    )
    assert in_words(Progress(0, 5)) == "0 pruned · 0 failed"
    assert in_words(Progress(5, 5, left=0.0, after=9.0)) == "0 pruned · 0 failed"
    assert duration(4302) == "1:11:42" and duration(-1) == "0:00"


def test_a_phase_tells_the_time_left_by_its_pace() -> None:
    """Five of 15 in 100 s: 20 s each, 200 s to go."""
    assert phase_in_words("verdict", 5, 15, 100.0) == (
        "verdict: 5 of 15 trainings, each from a fresh seed, about 3:20 left"
    )
    assert phase_in_words("verdict", 0, 15, 0.0) == "verdict: 0 of 15 trainings, each from a fresh seed"
    assert phase_in_words("calibrate", 0, 1, 3.0) == "calibrate"


def test_plain_lines_come_once_per_trial_and_quarter() -> None:
    c, out = console(terminal=False)
    display = PlainDisplay(c)
    display.line("tabular [x] rows")
    display.phase("calibrate", 0, 1)
    for progress in (Progress(0, 200, trying="no noise"), FIRST, FIRST, LATER, LATER):
        display.progress(progress)
    for done in range(9):
        display.phase("confirm", done, 8)
    lines = out.getvalue().splitlines()
    assert lines[:4] == [
        "tabular [x] rows",
        "baseline  clean 0.871  noisy 0.511",
        f"  1/200  {in_words(FIRST)} · tried no noise",
        f" 73/200  {in_words(LATER)} · tried mixup (alpha 0.2)",
    ]
    assert [line.partition(" trainings")[0] for line in lines[4:]] == [f"confirm: {n} of 8" for n in (0, 2, 4, 6, 8)]


def test_a_long_search_has_a_sane_number_of_lines() -> None:
    """Of 1000 trials each 20th has a line, the first, the last and those that are a new best."""
    c, out = console(terminal=False)
    display = PlainDisplay(c)
    for done in range(1, 1001):
        display.progress(replace(FIRST, done=done, total=1000, best=0.7 if done < 333 else 0.8))
    told = [int(line.split("/")[0]) for line in out.getvalue().splitlines()[1:]]
    assert told[:3] == [1, 21, 41] and 333 in told and told[-1] == 1000 and len(told) < 55


def test_the_live_display_draws_and_stops() -> None:
    c, out = console(terminal=True)
    display = LiveDisplay(c)
    display.progress(FIRST)
    display.progress(LATER)
    with c.capture() as drawn:
        c.print(display._render())
    text = drawn.get()
    for told in ("73/200", "best 0.795", "baseline 0.691", "11:42 left", "about 4:10 to", "trying mixup (alpha 0.2)"):
        assert told in text
    display.phase("verdict", 3, 15)
    with c.capture() as drawn:
        c.print(display._render())
    assert " 3/15" in drawn.get() and "verdict: 3 of 15 trainings" in drawn.get()
    display.close()
    display.close()
    assert "baseline  clean 0.871  noisy 0.511" in out.getvalue()


def test_what_a_model_prints_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines longer than the terminal, parts of a line, brackets; stderr goes where it went if that is a file."""
    c, out = console(terminal=True, width=40)
    monkeypatch.setattr(sys, "stdout", out)
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    display = LiveDisplay(c)
    display.progress(FIRST)
    long = "Traceback: " + "x" * 90 + " [/bold] end"
    sys.stdout.write(long + "\n")
    for dot in "...":
        sys.stdout.write(dot)
        sys.stdout.flush()
    sys.stdout.write(" done\nwithout an end")
    sys.stderr.write("a warning\n")
    display.close()
    assert sys.stdout is out and errors.getvalue() == "a warning\n"
    assert long in out.getvalue() and "... done\n" in out.getvalue() and "without an end" in out.getvalue()


def test_the_display_follows_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_display(console(terminal=True)[0], quiet=False), LiveDisplay)
    assert isinstance(make_display(console(terminal=False)[0], quiet=False), PlainDisplay)
    assert type(make_display(console(terminal=True)[0], quiet=True)) is Observer
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_display(console(terminal=True)[0], quiet=False), PlainDisplay)


def test_where_the_time_of_a_study_went() -> None:
    spent = {"confirm": Spent(5, 3660.0), "minimise": Spent(3, math.inf), "verdict": Spent(0, 0.0)}
    known = SimpleNamespace(counts=Counts(seconds_search=125.0), spent=spent)
    assert spent_in_words(cast("Result", known)) == (
        "time to train and score, summed over processes: search 2:05 · confirm 1:01:00"
    )
    assert spent_in_words(cast("Result", SimpleNamespace(counts=None, spent={}))) == ""
