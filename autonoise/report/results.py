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
    plain,
    plural,
    signed,
    triple,
)
from autonoise.report.page import Cell, Section, Table, Tone
from autonoise.study.names import called
from autonoise.study.result import ContestantResult, CorruptionResult, Difference, Measured, Result

Contestants = Mapping[str, ContestantResult]
LABELS = ("baseline", "preset", "start", "policy")
ROLES = {
    "baseline": "trained without noise",
    "preset": "the best published recipe",
    "start": "the best starting policy of the search space, unchanged by the search",
    "policy": "the policy that the search chose",
}
"""What each contestant is, in the words of the report."""
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
    title = "Result on the test part"
    shown = contestants(result)
    if not shown:
        return Section("results", title)
    differences = {k: d for k, d in result.differences.items() if k in shown}
    head = ["", *map(called, shown), *(f"found − {k}" for k in differences)]
    held = len(counted(result, "held_out"))
    empty = len(differences)

    def accuracy(name: str, key: str, *, strong: bool = False) -> list[Cell]:
        return _accuracy(name, key, shown, differences, strong=strong)

    rows = [
        accuracy("clean accuracy", "clean"),
        accuracy("noisy accuracy, search families", "search"),
        accuracy(f"noisy accuracy, held-out families{f' ({held})' if held else ''}", "held_out"),
        _gap("gap closed, search", "search", shown, result, empty),
        _gap("gap closed, held out", "held_out", shown, result, empty),
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
            f"Score = {fixed(1 - weight, 2)} × clean + {fixed(weight, 2)} × noisy accuracy on held-out families."
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
    parts.append("Gap closed: the share of the accuracy which noise costs the baseline that is won back.")
    parts += [f"{called(label).capitalize()}: {_role(label, c)}." for label, c in shown.items()]
    return " ".join(parts)


def _role(label: str, c: ContestantResult) -> str:
    name = f", {c.name}" if c.name and label not in ("baseline", "policy") else ""
    return ROLES[label] + name + (f" ({plural(len(c.steps), 'technique')})" if c.steps else "")


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
    rows += [("worst family, search", "worst_search"), ("worst family, all held out", "worst_held_out")]
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


_MEASURES = (("nll", "NLL"), ("ece", "ECE"), ("brier", "Brier"))
_PARTS = (("clean_search", "clean"), ("noisy_search", "search families"), ("noisy_held_out", "held-out families"))


def probability_section(result: Result) -> Section:
    """How far the predicted probabilities can be trusted: NLL, ECE and Brier score on clean and noisy rows."""
    title = "Quality of the probabilities"
    shown = contestants(result)
    rows = []
    for key, name in _MEASURES:
        for part, where in _PARTS:
            values = {label: number(c.numbers.get(f"{key}_{part}")) for label, c in shown.items()}
            if all(v is None for v in values.values()):
                continue
            base, policy = values.get("baseline"), values.get("policy")
            change = None if base is None or policy is None else policy - base
            tone = colour(None if change is None else -change)
            cells = (Cell(fixed(v)) for v in values.values())
            rows.append([Cell(f"{name}, {where}"), *cells, Cell(signed(change), tone=tone)])
    if not rows:
        return Section("probabilities", title)
    note = (
        "Lower is better; means over seeds. NLL: mean negative log-likelihood in nats. ECE, the expected calibration "
        "error: how far confidence is from accuracy, in 15 bins. Brier: squared error of the probabilities. The "
        "held-out rows hold all held-out corruptions, also those that do not count above. Differences have a colour "
        "from 0.01 on."
    )
    table = Table(["", *map(called, shown), "found − baseline"], rows, note=note)
    return Section("probabilities", title, tables=[table])


def cautions(result: Result) -> list[str]:
    """What a reader has to know beside the verdict: overused noise, lost clean accuracy, trainings that diverged."""
    shown, out = contestants(result), []
    if {"baseline", "policy"} <= shown.keys():
        told = (_overused(shown["baseline"], shown["policy"], g) for g in ("search", "held_out"))
        out += [t for t in told if t][:1]  # the second would say the same of other families
    against = result.differences.get("baseline")
    clean = triple(against.clean) if against is not None else None
    if clean and clean[2] < 0:
        change = f"{signed(clean[0])} {interval(clean, sign=True)}"
        out.append(f"The policy costs clean accuracy: {change} against the baseline.")
    for label, c in shown.items():
        if c.diverged:
            out.append(f"{plural(c.diverged, 'training')} of {called(label)} diverged; the accuracy counts as it is.")
    return out


def _overused(base: ContestantResult, policy: ContestantResult, group: str) -> str:
    """Accuracy under noise rose while the probabilities on the same rows got worse; empty where that is not so."""
    before, after = triple(getattr(base, group)), triple(getattr(policy, group))
    if before is None or after is None or after[0] <= before[0]:
        return ""
    worse = []
    for key, name in _MEASURES[:2]:
        old, new = number(base.numbers.get(f"{key}_noisy_{group}")), number(policy.numbers.get(f"{key}_noisy_{group}"))
        # smaller changes come from the seeds
        if old is not None and new is not None and new - old > max(0.02 * old, 0.002):
            worse.append(f"{name} rose from {fixed(old)} to {fixed(new)}")
    if not worse:
        return ""
    return (
        f"Noise may be overused: on {plain(group).replace('held out', 'held-out')} families accuracy rose by "
        f"{fixed(after[0] - before[0])}, but {' and '.join(worse)}, so the probabilities are less to be trusted. Try "
        f"the policy with less strength (policy.scaled(0.5)), or rescale the probabilities after training (temperature "
        f"scaling)."
    )
