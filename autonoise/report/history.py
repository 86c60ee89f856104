"""The search as data and pictures: score per trial, and the trials that no other beats.

The functions that return plain data serve other plotting libraries as well (the dashboard).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from autonoise.report.drawing import LOOKS, drawing, note, panel, to_svg
from autonoise.report.numbers import fixed, number, plural
from autonoise.study.result import FrontResult

_BLUE, _GREY = LOOKS["policy"].colour, "#b4bcc6"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """(trial number, score) of the trials, by how they ended.

    ``best``: the highest score of a complete trial so far; ``baseline``: the score without noise.
    """

    complete: Sequence[tuple[int, float]]
    pruned: Sequence[tuple[int, float]]
    failed: Sequence[int]
    best: Sequence[tuple[int, float]]
    baseline: float | None


def history_of(trials: Sequence[Row]) -> History:
    """Sort trials by how they ended. The baseline is the first complete trial without techniques."""
    scored = [(int(t["number"]), v, t) for t in trials if (v := number(t.get("value"))) is not None]
    complete = [(n, v) for n, v, t in scored if t.get("state") == "complete"]
    plain_runs = [v for _, v, t in scored if t.get("state") == "complete" and not t.get("techniques")]
    best, top = [], -np.inf
    for n, v in complete:
        top = max(top, v)
        best.append((n, float(top)))
    return History(
        complete,
        [(n, v) for n, v, t in scored if t.get("state") == "pruned"],
        [int(t["number"]) for t in trials if t.get("state") in ("fail", "failed")],
        best,
        plain_runs[0] if plain_runs else None,
    )


def history_panel(history: History) -> str | None:
    """SVG of the score of each trial; None without a complete trial. Scores below the axis are marked at its foot."""
    if not history.complete:
        return None
    every = [v for _, v in (*history.complete, *history.pruned)]
    floor = _floor([v for _, v in history.complete], history.baseline)
    with drawing():
        canvas, axes = panel(3.6)
        for points, colour, face, label in (
            (history.pruned, _GREY, "none", "given up early"),
            (history.complete, _BLUE, _BLUE, "completed"),
        ):
            inside = [(n, v) for n, v in points if v >= floor]
            if inside:
                axes.plot(
                    *zip(*inside, strict=True),
                    "o",
                    color=colour,
                    markerfacecolor=face,
                    markersize=3.8,
                    alpha=0.9 if face == "none" else 0.55,
                    markeredgewidth=0.9,
                    label=label,
                )
            below = [n for n, v in points if v < floor]
            if below:  # an empty line would count as a point at the corner of the page
                axes.plot(
                    below,
                    [0.015] * len(below),
                    "v",
                    color=colour,
                    markerfacecolor=face,
                    markersize=4.5,
                    transform=axes.get_xaxis_transform(),
                    clip_on=False,
                )
        if history.failed:
            axes.plot(
                history.failed,
                [0.015] * len(history.failed),
                "x",
                color="#b3400b",
                markersize=5,
                transform=axes.get_xaxis_transform(),
                label="failed",
                clip_on=False,
            )
        end = max(n for n, _ in (*history.complete, *history.pruned))
        steps = [*history.best, (end, history.best[-1][1])]
        axes.plot(*zip(*steps, strict=True), color=_BLUE, linewidth=1.8, drawstyle="steps-post", label="best so far")
        if history.baseline is not None:
            axes.axhline(
                history.baseline, color=LOOKS["baseline"].colour, linestyle="--", linewidth=1.3, label="no noise"
            )
        top = max(every)
        axes.set_ylim(floor, top + 0.08 * max(top - floor, 0.01))
        axes.set_xlabel("trial")
        axes.set_ylabel("score")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        canvas.legend(loc="outside lower center", ncols=3, fontsize=7.5)
        axes.set_title("Score per trial", pad=18)
        note(
            axes,
            f"{len(history.complete)} completed, {len(history.pruned)} given up, {len(history.failed)} failed; "
            f"best {fixed(history.best[-1][1])}",
        )
        return to_svg(canvas)


def _floor(values: Sequence[float], baseline: float | None) -> float:
    """Lower end of the axis: a trial that diverged, with a score far below the others, would flatten them all."""
    low, middle, top = np.quantile(values, [0.0, 0.5, 1.0])
    tail = min(middle - 2.0 * (top - middle), baseline if baseline is not None else middle)
    floor = max(low, tail)
    return float(floor - 0.05 * max(top - floor, 0.01))


def front_panel(front: Sequence[FrontResult], trials: Sequence[Row]) -> str | None:
    """SVG of noisy against clean accuracy: all trials, and the Pareto front.

    What was trained again later is not drawn: it was measured on other rows, and would seem worse than it is.

    A point of the front is the larger, the more forward and backward passes a training step takes.
    """
    points = [p for t in front if (p := _point(t.clean, t.noisy, t.passes)) is not None]
    if not points:
        return None
    rest = [p for t in trials if t.get("state") == "complete" and (p := _point_of(t)) is not None]
    with drawing():
        canvas, axes = panel(3.6)
        if rest:
            axes.plot(
                [p[0] for p in rest],
                [p[1] for p in rest],
                "o",
                color=_GREY,
                markersize=2.8,
                alpha=0.7,
                label="trial",
                markeredgewidth=0,
            )
        axes.scatter(
            [p[0] for p in points],
            [p[1] for p in points],
            s=[34 * p[2] for p in points],
            color=_BLUE,
            alpha=0.75,
            linewidths=0.7,
            edgecolors="white",
            label="no other beats it",
            zorder=3,
        )
        without = (t for t in trials if t.get("state") == "complete" and not t.get("techniques"))
        base = next((p for t in without if (p := _point_of(t)) is not None), None)
        if base is not None:
            look = LOOKS["baseline"]
            axes.plot(
                base[0],
                base[1],
                look.marker,
                color=look.colour,
                markersize=6,
                markerfacecolor="white",
                markeredgewidth=1.6,
                label="no noise",
                zorder=4,
                linestyle="none",
            )
        shown = [*points, *([base] if base is not None else [])]
        for axis, values in (("x", [p[0] for p in shown]), ("y", [p[1] for p in shown])):
            others = [p["xy".index(axis)] for p in rest]
            low, high = _window(values, others)
            (axes.set_xlim if axis == "x" else axes.set_ylim)(low, high)
        axes.set_xlabel("clean accuracy")
        axes.set_ylabel("accuracy under noise")
        canvas.legend(loc="outside lower center", ncols=2, fontsize=7.5)
        axes.set_title("Accuracy, clean and under noise", pad=18)
        note(axes, f"{plural(len(points), 'trial')} unbeaten in clean, noisy and cost together")
        return to_svg(canvas)


def _point(clean: object, noisy: object, passes: object) -> tuple[float, float, float] | None:
    """(clean accuracy, noisy accuracy, passes); None where an accuracy is not known."""
    x, y = number(clean), number(noisy)
    return None if x is None or y is None else (x, y, number(passes) or 1.0)


def _point_of(trial: Row) -> tuple[float, float, float] | None:
    return _point(trial.get("clean"), trial.get("noisy"), trial.get("passes"))


def _window(shown: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that hold all of ``shown``, and of the other trials all but the lowest 15 %."""
    low = min([*shown, *([float(np.quantile(others, 0.15))] if others else [])])
    high = max([*shown, *others])
    pad = 0.09 * max(high - low, 0.01)
    return low - pad, high + pad
