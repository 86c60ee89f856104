"""Consoles, tables and numbers as the commands print them."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from autonoise.errors import plain

if TYPE_CHECKING:
    from autonoise.policy import Policy, Step
    from autonoise.study.result import Result

PIPE_WIDTH = 160
"""Width in characters when the output goes to a file or another program: rich would cut tables at 80."""


class _PlainConsole(Console):
    def print(self, *objects: Any, **how: Any) -> None:
        super().print(*(plain(o) if isinstance(o, str) else o for o in objects), **how)


def make_console(*, messages: bool = False) -> Console:
    """A console that prints brackets as they are: rich would read ``[bold]`` in a name as an instruction.

    It is as wide as COLUMNS says, else as the terminal, else ``PIPE_WIDTH``. ``messages``: it prints to stderr, where
    stdout is for one JSON document.
    """
    stream, given = sys.stderr if messages else sys.stdout, os.environ.get("COLUMNS", "")
    told = given.isdecimal() and int(given) > 0
    known = {k: v for k, v in os.environ.items() if told or k != "COLUMNS"}
    width = None if told or stream.isatty() else PIPE_WIDTH
    return _PlainConsole(file=stream, markup=False, emoji=False, highlight=False, width=width, _environ=known)


@contextmanager
def stdout_is_for_json(wanted: bool) -> Iterator[None]:
    """Send what is written to stdout meanwhile to stderr: by models of the user's and by processes that are started.

    ``wanted`` False: do nothing.
    """
    if not wanted:
        yield
        return
    sys.stdout.flush()
    with redirect_stdout(sys.stderr):
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


LONGEST_WORD = 32
"""Characters of a word of text that a column makes room for; longer ones (paths) are broken."""


class Fitting:
    """A table where it fits the width; else one block of lines per row, so that no column is cut or a letter wide."""

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], whole: Sequence[str]
    ) -> None:
        self.columns, self.rows, self.right, self.whole = columns, rows, right, whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        places = range(len(self.columns))
        needed = [self._needed(i) for i in places]
        roomy = [max(needed[i], cell_len(self.columns[i])) for i in places]
        if sum(roomy) + 3 * len(roomy) <= options.max_width:  # headings on one line, where there is room for that
            needed = roomy
        # two blanks around each column and one between two
        if sum(needed) + 3 * len(needed) > options.max_width:
            yield from self._blocks()
            return
        made = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name, width in zip(self.columns, needed, strict=True):
            if name in self.right:  # a fixed width: rich would break numbers before it takes all it can from text
                made.add_column(name, justify="right", overflow="fold", width=width)
            else:
                made.add_column(name, overflow="fold", no_wrap=name in self.whole, min_width=width)
        for row in self.rows:
            made.add_row(*row)
        yield made

    def _needed(self, column: int) -> int:
        """The width below which a column cannot be read: of numbers the whole cell, of text its longest word."""
        name = self.columns[column]
        cells = [line for row in self.rows for line in row[column].splitlines()]
        if name in (*self.right, *self.whole):
            return max(map(cell_len, (*name.split(), *cells)), default=0)
        return min(max((cell_len(w) for cell in (name, *cells) for w in cell.split()), default=0), LONGEST_WORD)

    def _blocks(self) -> Iterator[Text]:
        for row in self.rows:
            first, *others = zip(self.columns, row, strict=True)
            yield Text(first[1] or "-", overflow="fold")
            for name, value in others:
                if value:
                    yield Text(f"  {name}: " + value.replace("\n", ", "), overflow="fold")
        yield Text("")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = (), whole: Sequence[str] = ()
) -> Fitting:
    """A table; ``right`` names the columns that hold numbers, which are set flush right, ``whole`` those that are never
    broken into lines.
    """
    return Fitting(columns, [["" if v is None else plain(str(v)) for v in row] for row in rows], right, whole)


def print_json(value: Any) -> None:
    """Print one JSON document to stdout by itself: a console would break long lines.

    A number that is not known, or not finite, is null.
    """
    print(json.dumps(_known(value), indent=1, allow_nan=False, default=str))  # noqa: T201


def _known(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _known(v) for key, v in value.items()}
    return [_known(v) for v in value] if isinstance(value, list | tuple) else value


def number(value: Any, digits: int = 3) -> str:
    """A number with ``digits`` decimals; a dash where there is none."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) and not isinstance(value, bool) else "-"


def interval(value: Any) -> str:
    """``[mean, low, high]`` as ``0.861 [0.853, 0.869]``."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return number(value)
    return f"{number(value[0])} [{number(value[1])}, {number(value[2])}]"


def signed(value: Any) -> str:
    """``[mean, low, high]`` of a difference as ``+0.030 [+0.016, +0.044]``; a dash where there is none."""
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(*value) if value else "-"


def percent(value: Any) -> str:
    """A share of 1, or ``[mean, low, high]`` of shares, in percent: ``42 % [35, 49]``."""
    if isinstance(value, list | tuple) and len(value) == 3:
        return f"{100 * value[0]:.0f} % [{100 * value[1]:.0f}, {100 * value[2]:.0f}]"
    return f"{100 * value:.0f} %" if isinstance(value, int | float) else "-"


def timing(step: Step) -> str:
    """When in training a step acts: the shape of its schedule, its part of training, every how many updates."""
    start, end = step.schedule.limits
    text = str(step.schedule.shape)
    if (start, end) != (0.0, 1.0):
        text += f" {100 * start:.0f}-{100 * end:.0f} %"
    if step.gate.every > 1:
        text += f", every {step.gate.every} {step.gate.unit}s"
    return text


def _settings(step: Step) -> str:
    """The parameters of a step with their units, and the group of which it is one."""
    from autonoise.technique.words import settings

    return ", ".join(part for part in (settings(step), f"one of {step.one_of}" if step.one_of else "") if part)


def print_policy(console: Console, policy: Policy) -> None:
    """Print a policy: its verdict, its steps with units, what it costs, its scores, and where it comes from."""
    from autonoise.technique import words

    judged = policy.judged
    if judged.word:
        console.print(f"verdict: {judged.sentence}", soft_wrap=True)
        if judged.recommendation or judged.doubtful:
            console.print(judged.advice, soft_wrap=True)
    layout = "x".join(map(str, policy.input.layout)) if policy.input is not None else "any"
    clean = f" · {words.percent(policy.clean_share)} of the rows stay clean" if policy.clean_share else ""
    console.print(f"{policy.name} · {policy.data_type} · input {layout} · strength {policy.strength:g}{clean}")
    if policy.steps:
        rows = [
            (s.name, s.stage, _settings(s), f"{s.probability:.2f}", timing(s), s.magnitude, s.site or "default")
            for s in policy.steps
        ]
        columns = ("technique", "stage", "parameters", "probability", "schedule", "magnitude", "site")
        console.print(table(columns, rows, right=("probability",)))
    else:
        console.print("no steps: train without noise")
    console.print(f"runs in {policy.form}")
    console.print(f"cost  {policy.passes:.2f} forward-backward passes per training step (1 is plain training)")
    scores = {k: v for k, v in policy.scores.items() if not judged.word or k not in ("verdict", "recommendation")}
    for title, values in (("scores", scores), ("provenance", policy.provenance)):
        if values:
            console.print(title)
            for line in _flat(values):
                console.print(f"  {line}", soft_wrap=True)


def _flat(values: Mapping[str, Any]) -> list[str]:
    """One line per entry; an entry that is itself a mapping is written out on its line."""
    out = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = ", ".join(f"{k} {_short(v)}" for k, v in value.items())
            out.append(f"{key}: {inner}")
        else:
            out.append(f"{key}: {_short(value)}")
    return out


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_short(v) for v in value)}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    return str(value)


def spent_in_words(result: Result) -> str:
    """Where the time of a study went, in hours, minutes and seconds by phase; empty where nothing is known of it.

    The figures are those of the report: training and scoring, summed over processes that ran side by side.
    """
    from autonoise.study.observer import duration

    searched = math.nan if result.counts is None else result.counts.seconds_search
    phases = {"search": searched, **{name: spent.seconds for name, spent in result.spent.items()}}
    known = {name: seconds for name, seconds in phases.items() if math.isfinite(seconds) and seconds > 0}
    parts = [f"{name} {duration(seconds)}" for name, seconds in known.items()]
    return f"time to train and score, summed over processes: {' · '.join(parts)}" if parts else ""
