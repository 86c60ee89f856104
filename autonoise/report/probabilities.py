"""How good the predicted probabilities are; and what a reader has to know beside the verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autonoise.report.drawing import GRID, LOOKS, MUTED, drawing, note, panel, to_svg
from autonoise.report.numbers import fixed, interval, number, plural, signed, triple
from autonoise.report.page import Cell, Figure, Section, Table
from autonoise.report.results import colour, contestants
from autonoise.report.who import named
from autonoise.study.result import ContestantResult, Result

_MEASURES = (("nll", "log loss (NLL)"), ("ece", "calibration error (ECE)"), ("brier", "Brier score"))
_PARTS = (("clean_search", "clean"), ("noisy_search", "noise of the search"), ("noisy_held_out", "noise kept back"))
_GROUPS = {"clean": "clean rows", "search": "noise of the search", "held_out": "noise kept for judging"}
LEAST = 0.002
"""Share of the rows that a range of the confidence must hold to be drawn: of fewer, the accuracy says little."""
SMALL = 0.02
"""Share by which a measure must get worse for a reader to be told; smaller changes come from the seeds."""


def probability_section(result: Result) -> Section:
    """How far the predicted probabilities can be trusted: reliability, NLL, ECE and Brier score."""
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
        "Lower is better; means over seeds. Log loss: mean of -log of the probability of the right class, in nats. "
        "Calibration error: how far confidence is from accuracy, in 15 ranges. Brier score: squared error of the "
        "probabilities. Noise kept back: all kinds that were kept for judging, also those that do not count above "
        "because a policy trained on something related. Differences have a colour from 0.01 on."
    )
    table = Table(["", *map(named, shown), f"found − {named('baseline')}"], rows, note=note)
    figures = []
    for part in ("clean", "held_out"):
        svg = reliability_panel({k: c.reliability.get(part, ()) for k, c in shown.items()}, _GROUPS[part])
        if svg is not None:
            figures.append(Figure(svg, f"Reliability on {_GROUPS[part]}: accuracy against confidence."))
    told = (
        "A model that says 80 % should be right in 80 % of such cases: on the diagonal it is. Above it the model is "
        "better than it says, below it worse."
    )
    return Section("probabilities", title, text=[told] if figures else [], figures=figures, tables=[table])


def reliability_panel(tables: dict[str, Sequence[Sequence[float]]], where: str) -> str | None:
    """SVG of accuracy against mean confidence in ranges of the confidence; None where that is not known.

    ``tables``: contestant → share of rows, sum of confidence and of hits of each range, divided by the number of rows.
    A mark is the larger, the more rows the range holds.
    """
    known = {k: np.asarray(t, dtype=float) for k, t in tables.items() if len(t)}
    if not known:
        return None
    with drawing():
        canvas, axes = panel(3.5)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
        lowest = 1.0
        for label, table in known.items():
            share, confidence, hits = table[table[:, 0] >= LEAST].T
            if not len(share):
                continue
            look = LOOKS[label]
            x, y = confidence / share, hits / share
            lowest = min(lowest, float(x.min()), float(y.min()))
            axes.plot(x, y, look.line, color=look.colour, linewidth=1.2, alpha=0.8)
            axes.scatter(
                x, y, s=8 + 160 * share, color=look.colour, marker=look.marker, edgecolors="#ffffff", linewidths=0.5
            )
            axes.plot([], [], look.line, color=look.colour, marker=look.marker, markersize=4.5, label=named(label))
        axes.set_xlim(max(lowest - 0.04, -0.02), 1.02)
        axes.set_ylim(max(lowest - 0.04, -0.02), 1.02)
        axes.set_xlabel("confidence: probability of the predicted class")
        axes.set_ylabel("accuracy")
        axes.grid(color=GRID)
        axes.set_title(f"Reliability on {where}", pad=18)
        note(axes, "the larger a mark, the more rows it stands for")
        axes.legend(loc="lower right")
        return to_svg(canvas)


def cautions(result: Result) -> list[str]:
    """What a reader has to know beside the verdict: worse probabilities, lost clean accuracy, diverged trainings."""
    shown, out = contestants(result), []
    if {"baseline", "policy"} <= shown.keys():
        told = (_less_calibrated(shown["baseline"], shown["policy"], g) for g in ("held_out", "search"))
        out += [t for t in told if t][:1]  # the second would say the same of other noise
    against = result.differences.get("baseline")
    clean = triple(against.clean) if against is not None else None
    if clean and clean[2] < 0:
        change = f"{signed(clean[0])} {interval(clean, sign=True)}"
        out.append(f"The policy found costs clean accuracy: {change} against no noise.")
    for label, c in shown.items():
        if c.diverged:
            out.append(f"{plural(c.diverged, 'training')} of {named(label)} diverged; the accuracy counts as it is.")
    return out


def _less_calibrated(base: ContestantResult, policy: ContestantResult, group: str) -> str:
    """Accuracy under noise rose while the probabilities on the same rows got worse; empty where that is not so.

    It says by how much, in which direction the probabilities err, and to whom it matters.
    """
    before, after = triple(getattr(base, group)), triple(getattr(policy, group))
    if before is None or after is None or after[0] <= before[0]:
        return ""
    worse = []
    for key, name in _MEASURES[:2]:
        old, new = number(base.numbers.get(f"{key}_noisy_{group}")), number(policy.numbers.get(f"{key}_noisy_{group}"))
        if old is not None and new is not None and new - old > max(SMALL * old, 0.002):
            worse.append(f"{name} rose from {fixed(old)} to {fixed(new)}")
    if not worse:
        return ""
    return (
        f"Under {_GROUPS[group]}, the accuracy of found is higher than without noise ({signed(after[0] - before[0])}), "
        f"but its probabilities fit less well: {' and '.join(worse)}.{_direction(policy, group)} Whoever uses only the "
        "most probable class loses nothing by this. Whoever uses the probabilities (thresholds, ranking, costs) can "
        "rescale them after training (temperature scaling), or train with less noise: policy.scaled(0.5)."
    )


def _direction(policy: ContestantResult, group: str) -> str:
    """Whether the model is too sure of itself or not sure enough; empty where that is not known."""
    table = np.asarray(policy.reliability.get(group, ()), dtype=float)
    if not table.size:
        return ""
    confidence, hits = table[:, 1].sum(), table[:, 2].sum()
    kind = "less sure of itself than it could be" if confidence < hits else "surer of itself than it should be"
    return f" The model is {kind}: mean confidence {fixed(confidence)}, accuracy {fixed(hits)}."
