"""The two displays of a search."""

from __future__ import annotations

import io

from rich.console import Console

from autonoise.cli.display import LiveDisplay, PlainDisplay, make_display, words
from autonoise.cli.output import duration
from autonoise.study.observer import Observer, Progress

FIRST = Progress(1, 200, 0.691, 0.871, 0.511, 0.691, left=900.0, trying="no noise")
LATER = Progress(73, 200, 0.795, 0.858, 0.731, 0.691, pruned=31, failed=2, left=702.0, trying="mixup + dropout")


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=140, markup=False, highlight=False), out


def test_words_say_what_design_promises() -> None:
    assert words(LATER) == ("best 0.795 (clean 0.858, noisy 0.731), baseline 0.691 · 31 pruned · 2 failed · 11:42 left")
    assert words(Progress(0, 5)) == "0 pruned · 0 failed"
    assert duration(4302) == "1:11:42" and duration(-1) == "0:00"


def test_plain_lines_come_once_per_trial_and_quarter() -> None:
    c, out = console(terminal=False)
    display = PlainDisplay(c)
    display.line("tabular [x] rows")
    display.phase("calibrate", 0, 1)
    for progress in (Progress(0, 200, trying="no noise"), FIRST, FIRST, LATER, LATER):
        display.progress(progress)
    for done in range(9):
        display.phase("confirm", done, 8)
    assert out.getvalue().splitlines() == [
        "tabular [x] rows",
        "baseline  clean 0.871  noisy 0.511",
        f"  1/200  {words(FIRST)}",
        f" 73/200  {words(LATER)}",
        "confirm 0/8",
        "confirm 2/8",
        "confirm 4/8",
        "confirm 6/8",
        "confirm 8/8",
    ]


def test_the_live_display_draws_and_stops() -> None:
    c, out = console(terminal=True)
    display = LiveDisplay(c)
    display.progress(FIRST)
    display.progress(LATER)
    with c.capture() as drawn:
        c.print(display._render())
    text = drawn.get()
    assert "73/200" in text and "best 0.795" in text and "11:42 left" in text and "trying mixup + dropout" in text
    display.phase("verdict", 3, 15)
    with c.capture() as drawn:
        c.print(display._render())
    assert " 3/15" in drawn.get() and "verdict" in drawn.get()
    display.close()
    display.close()
    assert "baseline  clean 0.871  noisy 0.511" in out.getvalue()


def test_the_display_follows_the_terminal() -> None:
    assert isinstance(make_display(console(terminal=True)[0], quiet=False), LiveDisplay)
    assert isinstance(make_display(console(terminal=False)[0], quiet=False), PlainDisplay)
    assert type(make_display(console(terminal=True)[0], quiet=True)) is Observer
