"""Pictures of a policy's steps: when each acts, and what each adds to the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from autonoise.report.drawing import GRID, INK, LOOKS, MUTED, drawing, panel, short, to_svg
from autonoise.report.numbers import number, plain
from autonoise.report.words import schedule_of
from autonoise.study.result import ContributionResult

_BLUE = LOOKS["policy"].colour


def schedule_panel(steps: Sequence[Mapping[str, Any]]) -> str | None:
    """SVG of how strongly each step acts over training, one row per step; None where no schedule is known."""
    known = [(str(s.get("technique")), f) for s in steps if (f := schedule_of(s)) is not None]
    if not known:
        return None
    x = np.linspace(0, 1, 401)
    with drawing():
        canvas, axes = panel(1.0 + 0.36 * len(known))
        for i, (_, schedule) in enumerate(known):
            y = np.array([schedule(float(t)) for t in x])
            axes.fill_between(100 * x, i, i - 0.72 * y, color=_BLUE, alpha=0.25, linewidth=0)
            axes.plot(100 * x, i - 0.72 * y, color=_BLUE, linewidth=1.3)
            axes.axhline(i, color=GRID, linewidth=0.7, zorder=1)
        axes.set_yticks([i - 0.36 for i in range(len(known))], [short(plain(name)) for name, _ in known], color=INK)
        axes.set_ylim(len(known) - 0.85, -0.95)
        axes.set_xlim(0, 100)
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("training progress in %")
        axes.set_title("When each technique acts")
        return to_svg(canvas)


def contribution_panel(contributions: Sequence[ContributionResult]) -> str | None:
    """SVG of what each technique adds to the score, with its interval; grey where it was left out."""
    rows = [c for c in contributions if number(c.mean) is not None]
    if not rows:
        return None
    with drawing():
        canvas, axes = panel(1.0 + 0.36 * len(rows))
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for i, c in enumerate(rows):
            colour = _BLUE if c.kept else "#9aa5b1"
            low, high = number(c.low), number(c.high)
            if low is not None and high is not None:
                axes.plot([low, high], [i, i], color=colour, linewidth=2.2, alpha=0.55, solid_capstyle="butt")
            axes.plot(
                c.mean,
                i,
                "D" if c.kept else "o",
                color=colour,
                markersize=5.5,
                markeredgecolor="white",
                markeredgewidth=0.6,
            )
        axes.set_yticks(range(len(rows)), [short(plain(c.technique)) for c in rows], color=INK)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.set_xlabel("score with the technique minus score without")
        axes.set_title("What each technique adds")
        return to_svg(canvas)
