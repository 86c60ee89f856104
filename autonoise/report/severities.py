"""Sections on the corruptions: accuracy against severity, and under each single corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autonoise.report.figures import GROUPS, corruption_panel, curves, mean_of, severity_panels, severity_picture
from autonoise.report.numbers import NONE, fixed, plain, signed, triple
from autonoise.report.page import Cell, Figure, Section, Table, Tone
from autonoise.report.results import colour, contestants, counted
from autonoise.report.who import named
from autonoise.study.result import CorruptionResult, Result

_EXPOSURE = {"same": "● same", "related": "◐ related", "unseen": "○ unseen"}


def severity_section(result: Result) -> tuple[Section, bytes | None]:
    """Accuracy against severity, and the same picture as a PNG; None where no corruption has five severities."""
    title = "Accuracy against the strength of noise"
    clean = {k: t[0] for k, c in contestants(result).items() if (t := triple(c.clean))}
    by_group = {g: lines for g in ("held_out", "search") if (lines := curves(result.corruptions, clean, g))}
    if not by_group:
        return Section("severity", title), None
    number_of = {g: sum(len(c.accuracy.get("baseline", ())) == 5 for c in counted(result, g)) for g in by_group}
    figures = [
        Figure(svg, _describe(group, by_group[group])) for group, svg in severity_panels(by_group, number_of).items()
    ]
    note = (
        "Mean over noises of a kind, then over kinds. Severities 1 to 5, weak to strong, were set before the search by "
        "what they cost a model trained without noise. New noise is of kinds that no contestant trained on, nor on "
        "related ones."
    )
    section = Section("severity", title, figures=figures, tables=[_by_severity(by_group, note)])
    return section, severity_picture(by_group, number_of)


def _by_severity(by_group: Mapping[str, Mapping[str, Sequence[float]]], note: str) -> Table:
    short = {"held_out": "new noise", "search": "search"}
    lines = [(f"{short[g]}: {named(k)}", line) for g, by_label in by_group.items() for k, line in by_label.items()]
    names = ("clean", *(f"severity {n}" for n in range(1, 6)))
    rows = [[Cell(name), *(Cell(fixed(line[i])) for _, line in lines)] for i, name in enumerate(names)]
    return Table(["", *(name for name, _ in lines)], rows, note=note)


def _describe(group: str, lines: Mapping[str, Sequence[float]]) -> str:
    parts = [f"{named(k)} falls from {fixed(v[0])} to {fixed(v[-1])}" for k, v in lines.items()]
    return f"Accuracy from clean to severity 5, {GROUPS[group].lower()}: {'; '.join(parts)}."


def corruption_section(result: Result) -> Section:
    """Accuracy under each corruption as pictures, and as a table with exposure and whether it counts."""
    title = "Single kinds of noise"
    corruptions = [c for c in result.corruptions if c.accuracy]
    labels = [k for k in contestants(result) if any(mean_of(c, k) is not None for c in corruptions)]
    if not corruptions or not labels:
        return Section("corruptions", title)
    groups = [g for g in ("held_out", "search") if any(c.group == g for c in corruptions)]
    figures = []
    for group in groups:
        svg = corruption_panel(corruptions, group, labels)
        if svg is not None:
            alt = f"Mean accuracy per noise, {GROUPS.get(group, group).lower()}; the table has the numbers."
            figures.append(Figure(svg, alt))
    by_name = sorted(corruptions, key=lambda c: (c.family, c.name))
    rows = [_corruption_row(c, labels) for g in groups for c in by_name if c.group == g]
    both = {"policy", "baseline"} <= set(labels)
    head = [
        "noise",
        "kind",
        "kept for",
        "trained on",
        "counts",
        *map(named, labels),
        *([f"found − {named('baseline')}"] if both else []),
    ]
    who, whom = ("the found policy", "it") if result.held_out_of else ("some contestant", "all contestants")
    note = (
        f"Accuracies are means over severities. Trained on: {who} trained on noise of ● the same kind, of ◐ a related "
        f"kind, or on neither (○ unseen). Noise kept for judging counts only if it is unseen, and then for {whom}. "
        "At severity 5: accuracy of no noise → of found. There are no intervals here; differences "
        "have a colour from 0.01 on."
    )
    table = Table([*head, "at severity 5"], rows, note=note, lead=5)
    return Section("corruptions", title, figures=figures, tables=[_by_exposure(corruptions, labels), table])


def _by_exposure(corruptions: Sequence[CorruptionResult], labels: Sequence[str]) -> Table:
    """Mean accuracy under noises of a kind that was trained on, of a related one, and of unseen ones."""
    rows = []
    for exposure, shown in _EXPOSURE.items():
        own = [c for c in corruptions if c.exposure == exposure]
        means = {k: [m for c in own if (m := mean_of(c, k)) is not None] for k in labels}
        if not own or not all(means.values()):
            continue
        mean = {k: sum(v) / len(v) for k, v in means.items()}
        change = mean["policy"] - mean["baseline"] if {"policy", "baseline"} <= mean.keys() else None
        end = [] if change is None else [Cell(signed(change), tone=colour(change))]
        rows.append([Cell(f"{shown} kind"), Cell(str(len(own))), *(Cell(fixed(m)) for m in mean.values()), *end])
    both = {"policy", "baseline"} <= set(labels)
    head = ["trained on", "noises", *map(named, labels), *([f"found − {named('baseline')}"] if both else [])]
    note = "Does training with noise help against noise that it does not know? Means over noises and severities."
    return Table(head, rows, title="Same, related and unseen kinds of noise", note=note)


def _corruption_row(c: CorruptionResult, labels: Sequence[str]) -> list[Cell]:
    means = {k: mean_of(c, k) for k in labels}
    tone: Tone = "" if c.counts else "muted"
    cells = [
        Cell(plain(c.name)),
        Cell(plain(c.family)),
        Cell("judging" if c.group == "held_out" else plain(c.group)),
        Cell(_EXPOSURE.get(c.exposure, c.exposure or NONE)),
        Cell("yes" if c.counts else "no", tone=tone),
        *(Cell(fixed(m), tone=tone) for m in means.values()),
    ]
    if {"policy", "baseline"} <= means.keys():
        a, b = means["policy"], means["baseline"]
        change = a - b if a is not None and b is not None else None
        cells.append(Cell(signed(change), tone=tone or colour(change)))
    last = [c.accuracy.get(k, ()) for k in labels if k in ("baseline", "policy")]
    ends = [fixed(v[4]) if len(v) == 5 else NONE for v in last]
    return [*cells, Cell(" → ".join(ends) if any(e != NONE for e in ends) else NONE, tone=tone)]
