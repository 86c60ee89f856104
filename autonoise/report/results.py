"""Sections on the verdict's numbers: the comparison of the contestants, and how good their probabilities are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autonoise.report.numbers import (
    NONE,
    Triple,
    duration,
    fixed,
    interval,
    number,
    percent,
    signed,
    triple,
)
from autonoise.report.page import Cell, Section, Table, Tone
from autonoise.report.who import LABELS, named, what_it_is
from autonoise.study.result import ContestantResult, CorruptionResult, Difference, Measured, Result

Contestants = Mapping[str, ContestantResult]
NOTABLE = 0.01
"""A difference that has no interval gets a colour from here on: one point of accuracy, or as much in other measures."""
UNKNOWN = "not measurable"
_QUESTIONS = {"no noise": "no noise", "best recipe": "the best recipe"}
_ANSWERS = {"as good as": "as good"}


def contestants(result: Result) -> dict[str, ContestantResult]:
    """Label → numbers, in the order in which they are shown."""
    return {label: result.contestants[label] for label in LABELS if label in result.contestants}


def counted(result: Result, group: str) -> list[CorruptionResult]:
    """The corruptions of a group ("search" or "held_out") that are part of the noisy accuracy."""
    return [c for c in result.corruptions if c.group == group and c.counts]


def main_section(result: Result) -> Section:
    """The comparison of the contestants on the test part."""
    title = "Result on the test rows"
    shown = contestants(result)
    if not shown:
        return Section("results", title)
    differences = {k: d for k, d in result.differences.items() if k in shown}
    head = ["", *map(named, shown), *(f"found − {named(k)}" for k in differences)]
    held = 0 if result.held_out_of else len(counted(result, "held_out"))
    empty = len(differences)

    def accuracy(name: str, key: str, *, strong: bool = False) -> list[Cell]:
        return _accuracy(name, key, shown, differences, strong=strong)

    rows = [
        accuracy("clean accuracy", "clean"),
        accuracy("accuracy under noise of the search", "search"),
        accuracy(f"accuracy under new noise{f' ({held} kinds)' if held > 1 else ''}", "held_out"),
        _gap("gap closed, noise of the search", "search", shown, result, empty),
        _gap("gap closed, new noise", "held_out", shown, result, empty),
        accuracy("score", "score", strong=True),
        *_further(shown, empty),
        _cost("passes per training step", shown, lambda c: fixed(c.passes, 2), empty),
        _cost("seconds per training", shown, lambda c: duration(c.seconds), empty),
    ]
    table = Table(head, rows, note=_explained(result, shown))
    return Section("results", title, text=_answers(result), tables=[table])


def _explained(result: Result, shown: Contestants) -> str:
    """What the rows, the brackets and the names of the columns of the main table mean."""
    weight, level = number(result.noise_weight), number(result.level)
    parts = []
    if weight is not None:
        parts.append(
            f"Score = {fixed(1 - weight, 2)} × clean accuracy + {fixed(weight, 2)} × accuracy under new noise."
        )
    if result.held_out_of:
        parts.append(
            "No new noise is unknown to all contestants: the columns show each under the kinds that it did not train "
            "on, the differences are under those that neither of the two did. So compare by the differences, not "
            "across columns."
        )
    parts.append(
        "Brackets hold 95 % intervals for further trainings and further rows like these. All contestants were tested "
        "on the same rows, so a difference is surer than the intervals of its two columns suggest."
    )
    if level is not None:
        parts.append(
            f"The intervals of differences in the score allow for all looks at the test rows: together these miss the "
            f"true difference in at most 5 % of cases, and those of this verdict in {fixed(100 * level, 2)} %."
        )
    parts.append(
        "Gap closed: the share of the accuracy which noise costs without a policy that is won back. Worst kind: the "
        "kind of noise with the lowest accuracy. Passes: forward and backward passes."
    )
    parts += [f"{named(label).capitalize()}: {what_it_is(label, result)}." for label in shown]
    return " ".join(parts)


def _answers(result: Result) -> list[str]:
    """The answers to the two questions of the verdict; none in results that were made before there were two."""
    found = {q: _ANSWERS.get(a, a) for q, a in result.answers.items()}
    told = [f"against {words}: {found[q]}" for q, words in _QUESTIONS.items() if q in found]
    return [f"The found policy {'; '.join(told)}."] if told else []


def _accuracy(
    title: str, key: str, shown: Contestants, differences: Mapping[str, Difference], *, strong: bool = False
) -> list[Cell]:
    cells = [Cell(title, tone="strong" if strong else "")]
    for c in shown.values():
        value: Measured | None = getattr(c, key)
        t = triple(value)
        missing = UNKNOWN if value is None else NONE
        cells.append(Cell(fixed(t[0]) if t else missing, interval(t), "strong" if strong else ""))
    return [*cells, *(difference_cell(triple(getattr(d, key))) for d in differences.values())]


def difference_cell(t: Triple | None) -> Cell:
    """A difference with its interval, coloured where the interval leaves out 0."""
    if t is None:
        return Cell(NONE)
    tone: Tone = "good" if t[1] > 0 else "bad" if t[2] < 0 else "muted"
    # an end that rounds to 0.000 would not show on which side of 0 it lies
    digits = 4 if tone != "muted" and min(abs(t[1]), abs(t[2])) < 0.0005 else 3
    return Cell(signed(t[0]), interval(t, digits, sign=True), tone)


def _gap(title: str, column: str, shown: Contestants, result: Result, empty: int) -> list[Cell]:
    known = column in result.gaps
    why = NONE if not known else UNKNOWN if result.gaps[column] is None else "no gap to close"
    cells = [Cell(title)]
    for label, c in shown.items():
        t = triple(getattr(c, f"gap_closed_{column}"))
        if label == "baseline" or t is None:
            cells.append(Cell(NONE if label == "baseline" else why, tone="muted"))
        else:
            low, high = (fixed(100 * v, 0) for v in t[1:])
            cells.append(Cell(percent(t[0]), f"[{low}, {high}]"))
    return [*cells, *[Cell("")] * empty]


def _further(shown: Contestants, empty: int) -> list[list[Cell]]:
    """Rows on the worst families, and on balanced accuracy where it differs from accuracy by half a point or more."""
    rows = []
    pairs = [(number(c.clean and c.clean.mean), number(c.numbers.get("balanced_search"))) for c in shown.values()]
    if any(a is not None and b is not None and abs(b - a) > 0.005 for a, b in pairs):
        rows.append(("balanced clean accuracy", "balanced_search"))
    rows += [("worst kind, noise of the search", "worst_search"), ("worst kind, kept for judging", "worst_held_out")]
    return [
        [Cell(title), *(Cell(fixed(c.numbers.get(key))) for c in shown.values()), *[Cell("")] * empty]
        for title, key in rows
        if any(number(c.numbers.get(key)) is not None for c in shown.values())
    ]


def _cost(title: str, shown: Contestants, show: Callable[[ContestantResult], str], empty: int) -> list[Cell]:
    return [Cell(title), *(Cell(show(c)) for c in shown.values()), *[Cell("")] * empty]


def colour(gain: float | None) -> Tone:
    """The colour of a difference without an interval: none below ``NOTABLE``."""
    return "" if gain is None else "good" if gain >= NOTABLE else "bad" if gain <= -NOTABLE else ""
