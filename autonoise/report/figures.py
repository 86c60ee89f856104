"""The pictures of the verdict: accuracy against severity, and accuracy per corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from autonoise.report.drawing import GRID, INK, LOOKS, MUTED, drawing, note, panel, short, to_png, to_svg
from autonoise.report.numbers import fixed, number, plain, plural
from autonoise.report.who import named
from autonoise.study.result import CorruptionResult

Curves = dict[str, list[float]]
GROUPS = {"held_out": "New noise, kept for judging", "search": "Noise that the search used"}
_FILL = {"same": "full", "related": "left", "unseen": "none"}


def curves(corruptions: Sequence[CorruptionResult], clean: Mapping[str, float], group: str) -> Curves:
    """Label of a contestant → its accuracy on clean rows and at severities 1 to 5.

    The mean over corruptions of a family, then over families.

    ``clean``: label → accuracy on clean rows. Only corruptions of the group that count and have all five severities.
    """
    kept = [c for c in corruptions if c.group == group and c.counts and _has_severities(c, clean)]
    out: Curves = {}
    for label, start in clean.items():
        families: dict[str, list[Sequence[float]]] = {}
        for c in kept:
            families.setdefault(c.family, []).append(c.accuracy[label])
        if families:
            means = np.mean([np.mean(rows, axis=0) for rows in families.values()], axis=0)
            out[label] = [start, *map(float, means)]
    return out


def _has_severities(c: CorruptionResult, labels: Mapping[str, float]) -> bool:
    """Whether every contestant has an accuracy at all five severities."""
    rows = [c.accuracy.get(label, ()) for label in labels]
    return all(len(r) == 5 and all(number(v) is not None for v in r) for r in rows)


def severity_panels(by_group: Mapping[str, Curves], counted: Mapping[str, int]) -> dict[str, str]:
    """Group → SVG of accuracy against severity. All panels have the same axis, so that they can be compared.

    ``counted``: group → how many corruptions its lines are means of.
    """
    limits = _limits([v for c in by_group.values() for line in c.values() for v in line])
    out = {}
    with drawing():
        for group, lines in by_group.items():
            canvas, axes = panel(3.35)
            _severity(axes, group, lines, counted.get(group, 0), limits)
            axes.legend(loc="lower left")
            out[group] = to_svg(canvas)
    return out


def severity_picture(by_group: Mapping[str, Curves], counted: Mapping[str, int]) -> bytes:
    """The same panels side by side as a PNG, 1200 pixels wide, for a README."""
    limits = _limits([v for c in by_group.values() for line in c.values() for v in line])
    with drawing():
        canvas = Canvas(figsize=(4.2 * len(by_group), 3.5), layout="constrained")
        for i, (group, lines) in enumerate(by_group.items()):
            axes = canvas.add_subplot(1, len(by_group), i + 1)
            _severity(axes, group, lines, counted.get(group, 0), limits)
            if i:
                axes.set_ylabel("")
            else:
                axes.legend(loc="lower left")
        return to_png(canvas, width=1200)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis of accuracy: the values with a little room around them."""
    low, high = min(values), max(values)
    pad = max(0.08 * (high - low), 0.01)
    return max(low - pad, 0.0), min(high + pad, 1.0 + pad / 3)


def _severity(axes: Axes, group: str, lines: Curves, counted: int, limits: tuple[float, float]) -> None:
    x = range(6)
    if {"baseline", "policy"} <= lines.keys():
        axes.fill_between(x, lines["baseline"], lines["policy"], color=LOOKS["policy"].colour, alpha=0.09, linewidth=0)
    for label, line in lines.items():
        look = LOOKS[label]
        axes.plot(
            x,
            line,
            look.line,
            color=look.colour,
            marker=look.marker,
            markersize=look.size,
            label=named(label),
            linewidth=2.2 if label == "policy" else 1.5,
            markeredgecolor="white",
            markeredgewidth=0.7,
            clip_on=False,
        )
    axes.set_ylim(*limits)
    axes.set_xlim(-0.15, 5.15)
    axes.set_xticks(list(x), ["clean", "1", "2", "3", "4", "5"])
    axes.set_xlabel("severity")
    axes.set_ylabel("accuracy")
    axes.grid(axis="x", visible=False)
    axes.set_title(GROUPS[group], pad=18)
    means = {named(k): fixed(float(np.mean(v[1:]))) for k, v in lines.items()}
    shown = ", ".join(f"{k} {v}" for k, v in means.items())
    note(axes, f"{plural(counted, 'kind')}; mean {shown}")


def corruption_panel(corruptions: Sequence[CorruptionResult], group: str, labels: Sequence[str]) -> str | None:
    """SVG of mean accuracy per corruption, grouped by family; None where the group has none.

    A circle beside the name says whether some contestant trained on the same family (full), on a related one (half),
    or on neither (empty); a corruption that does not count is pale.
    """
    kept = [c for c in corruptions if c.group == group and any(mean_of(c, k) is not None for k in labels)]
    if not kept:
        return None
    kept.sort(key=lambda c: (c.family, c.name))
    with drawing():
        canvas, axes = panel(0.95 + 0.27 * len(kept))
        for y, c in enumerate(kept):
            _row(axes, y, c, labels)
        _families(axes, kept)
        axes.set_yticks(range(len(kept)), [short(plain(c.name)) for c in kept], color=INK)
        axes.tick_params(axis="y", pad=13)
        axes.set_ylim(len(kept) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.set_xlabel("accuracy, mean over severities")
        axes.set_title(GROUPS.get(group, plain(group)), pad=22)
        handles = [
            axes.plot([], [], LOOKS[k].marker, color=LOOKS[k].colour, markersize=LOOKS[k].size, label=named(k))[0]
            for k in labels
        ]
        axes.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(-0.02, 0.995),
            ncols=len(labels),
            handletextpad=0.1,
            columnspacing=1.2,
            borderaxespad=0.1,
        )
        return to_svg(canvas)


def _row(axes: Axes, y: int, c: CorruptionResult, labels: Sequence[str]) -> None:
    """One line of the picture: a mark per contestant, a bar from baseline to policy, the circle of exposure."""
    alpha = 1.0 if c.counts else 0.38
    found = {k: m for k in labels if (m := mean_of(c, k)) is not None}
    if {"baseline", "policy"} <= found.keys():
        good = found["policy"] >= found["baseline"]
        colour = LOOKS["policy"].colour if good else LOOKS["preset"].colour
        axes.plot(
            [found["baseline"], found["policy"]],
            [y, y],
            color=colour,
            alpha=0.35 * alpha,
            linewidth=3.5,
            solid_capstyle="butt",
            zorder=2,
        )
    for k, value in found.items():
        axes.plot(
            value,
            y,
            LOOKS[k].marker,
            color=LOOKS[k].colour,
            markersize=LOOKS[k].size + 0.6,
            alpha=alpha,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=3,
        )
    style = _FILL.get(c.exposure)
    if style:
        axes.plot(
            -0.022,
            y,
            marker="o",
            fillstyle=style,
            markersize=5.2,
            color=INK,
            markeredgewidth=0.8,
            markerfacecoloralt="white",
            transform=axes.get_yaxis_transform(),
            clip_on=False,
        )


def _families(axes: Axes, kept: Sequence[CorruptionResult]) -> None:
    """Names of the families at the right edge, with lines between them."""
    families = [c.family for c in kept]
    for family in dict.fromkeys(families):
        first, count = families.index(family), families.count(family)
        if first:
            axes.axhline(first - 0.5, color=GRID, linewidth=0.7, zorder=1)
        axes.annotate(
            short(plain(family), 20),
            (1, first + (count - 1) / 2),
            xytext=(4, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=MUTED,
            annotation_clip=False,
        )


def mean_of(c: CorruptionResult, label: str) -> float | None:
    """A contestant's accuracy under a corruption, mean over severities; None where it is not known."""
    values = [v for v in map(number, c.accuracy.get(label, ())) if v is not None]
    return float(np.mean(values)) if values else None
