"""Sections on the corruptions: accuracy against severity, and under each single corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autonoise.report.figures import corruption_panel, curves, mean_of, severity_panels, severity_picture
from autonoise.report.numbers import NONE, fixed, plain, signed, triple
from autonoise.report.page import Cell, Figure, Section, Table, Tone
from autonoise.report.results import colour, contestants, counted
from autonoise.study.names import called
from autonoise.study.result import CorruptionResult, Result

_EXPOSURE = {"same": "● same", "related": "◐ related", "unseen": "○ unseen"}


def severity_section(result: Result) -> tuple[Section, bytes | None]:
    """Accuracy against severity, and the same picture as a PNG; None where no corruption has five severities."""
    title = "Accuracy against severity"
    clean = {k: t[0] for k, c in contestants(result).items() if (t := triple(c.clean))}
    by_group = {g: lines for g in ("held_out", "search") if (lines := curves(result.corruptions, clean, g))}
    if not by_group:
        return Section("severity", title), None
    number_of = {g: sum(len(c.accuracy.get("baseline", ())) == 5 for c in counted(result, g)) for g in by_group}
    figures = [
        Figure(svg, _describe(group, by_group[group])) for group, svg in severity_panels(by_group, number_of).items()
    ]
    note = (
        "Mean over corruptions of a family, then over families. Severities 1 to 5 were set on the baseline before the "
        "search. The search saw the search families; no contestant trained on a held-out family that counts, or on a "
        "related one."
    )
    section = Section("severity", title, figures=figures, tables=[_by_severity(by_group, note)])
    return section, severity_picture(by_group, number_of)


def _by_severity(by_group: Mapping[str, Mapping[str, Sequence[float]]], note: str) -> Table:
    lines = [(f"{plain(g)}: {called(k)}", line) for g, by_label in by_group.items() for k, line in by_label.items()]
    rows = [[Cell(name), *(Cell(fixed(line[i])) for _, line in lines)] for i, name in enumerate(("clean", *"12345"))]
    return Table(["severity", *(name for name, _ in lines)], rows, note=note)


def _describe(group: str, lines: Mapping[str, Sequence[float]]) -> str:
    parts = [f"{called(k)} falls from {fixed(v[0])} to {fixed(v[-1])}" for k, v in lines.items()]
    return f"Accuracy from clean to severity 5, {plain(group)} families: {'; '.join(parts)}."


def corruption_section(result: Result) -> Section:
    """Accuracy under each corruption as pictures, and as a table with exposure and whether it counts."""
    title = "Single corruptions"
    corruptions = [c for c in result.corruptions if c.accuracy]
    labels = [k for k in contestants(result) if any(mean_of(c, k) is not None for c in corruptions)]
    if not corruptions or not labels:
        return Section("corruptions", title)
    groups = [g for g in ("held_out", "search") if any(c.group == g for c in corruptions)]
    figures = []
    for group in groups:
        svg = corruption_panel(corruptions, group, labels)
        if svg is not None:
            alt = f"Mean accuracy per corruption, {plain(group)} families; the table has the numbers."
            figures.append(Figure(svg, alt))
    by_name = sorted(corruptions, key=lambda c: (c.family, c.name))
    rows = [_corruption_row(c, labels) for g in groups for c in by_name if c.group == g]
    both = {"policy", "baseline"} <= set(labels)
    head = [
        "corruption",
        "family",
        "group",
        "exposure",
        "counts",
        *map(called, labels),
        *(["found − baseline"] if both else []),
    ]
    note = (
        "Accuracies are means over severities. Exposure: some contestant trained on ● the same family, on ◐ a related "
        "family, or none on either (○ unseen). A held-out corruption counts only if it is unseen, and then for all. "
        "At severity 5: accuracy of the baseline → of the found policy. There are no intervals here; differences have "
        "a colour from 0.01 on."
    )
    table = Table([*head, "at severity 5"], rows, note=note, lead=5)
    return Section("corruptions", title, figures=figures, tables=[table])


def _corruption_row(c: CorruptionResult, labels: Sequence[str]) -> list[Cell]:
    means = {k: mean_of(c, k) for k in labels}
    tone: Tone = "" if c.counts else "muted"
    cells = [
        Cell(c.name, tone="code"),
        Cell(plain(c.family)),
        Cell(plain(c.group)),
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
