"""The section on a policy: its steps in words, when they act, what they do to the user's data, what each adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autonoise.report.numbers import interval, listed, number, plain, signed
from autonoise.report.page import Cell, Figure, Section, Table, Told
from autonoise.report.steps import contribution_panel, schedule_panel
from autonoise.report.who import named, what_it_is
from autonoise.report.words import about, how_often, settings, technique_of, when
from autonoise.study.result import ContributionResult, Result
from autonoise.types import Stage

MATTERS = 0.0025
"""Gain in the score (0 to 1) from which on a technique is said to matter; the search tries to leave out the others."""
_IN_THE_DATA = frozenset({Stage.RAW, Stage.INPUT, Stage.ADVERSARIAL, Stage.TARGET, Stage.PAIR})
"""Stages that change rows or their labels, so that examples can show it."""


def shown_label(result: Result) -> str:
    """The contestant that the report tells first and shows examples of: that of policy.yaml, if it adds any noise."""
    for label in (result.recommended, result.exported):
        if label in result.contestants and result.contestants[label].steps:
            return label
    return "policy"


def policy_sections(result: Result, examples: Sequence[Figure] = ()) -> list[Section]:
    """A section on the policy in policy.yaml, and one on what the search found, where that is another policy."""
    first = shown_label(result)
    sections = [_section(result, label, f"policy-{label}") for label in dict.fromkeys((first, "policy"))]
    shown = replace(sections[0], examples=examples) if sections[0].filled else sections[0]
    return [shown, *sections[1:]]


def _section(result: Result, label: str, key: str) -> Section:
    c = result.contestants.get(label)
    title = f"Policy: {named(label)}"
    if c is None or not c.steps:
        return Section(key, title)
    figures = []
    schedules = schedule_panel(c.steps)
    if schedules:
        alt = "; ".join(f"{plain(s.get('technique'))} {when(s)}" for s in c.steps)
        figures.append(Figure(schedules, f"Strength over training: {alt}."))
    tables = []
    contributions = [x for x in result.contributions if number(x.mean) is not None] if label == "policy" else []
    adds = contribution_panel(contributions)
    if adds:
        alt = "; ".join(f"{plain(x.technique)} {signed(x.mean, 4)}" for x in contributions)
        figures.append(Figure(adds, f"Score with each technique minus score without: {alt}."))
        tables.append(_contribution_table(contributions))
    head = f"{what_it_is(label, result)}; file policies/{named(label)}.yaml"
    text = [f"{head[0].upper()}{head[1:]}{f', hash {c.hash}' if c.hash else ''}."]
    after = [f"Kinds of noise that it trains on: {listed([plain(f) for f in c.families])}."] if c.families else []
    if not any(kind.stage in _IN_THE_DATA for kind in map(technique_of, c.steps) if kind is not None):
        after.append("Its steps act inside the model or on its training: the data themselves stay as they are.")
    return Section(
        key,
        title,
        text=text,
        steps=[told(s) for s in c.steps],
        figures=figures,
        tables=tables,
        after=after,
    )


def told(step: Mapping[str, Any]) -> Told:
    """A step in words."""
    kind = technique_of(step)
    how = [settings(step), f"on {how_often(step)}", when(step)]
    return Told(
        plain(step.get("technique")), about(kind), [h for h in how if h], (kind.reference if kind else "") or ""
    )


def _contribution_table(contributions: Sequence[ContributionResult]) -> Table:
    kept = sum(c.kept for c in contributions)
    rows = [
        [
            Cell(plain(c.technique)),
            Cell(signed(c.mean, 4), interval([c.mean, c.low, c.high], 4, sign=True)),
            Cell("kept" if c.kept else "left out", tone="" if c.kept else "muted"),
        ]
        for c in contributions
    ]
    helps = all(c.mean >= MATTERS and c.low > 0 for c in contributions if c.kept)
    matter = ("matters" if kept == 1 else "matter") if helps else "kept"
    return Table(
        ["technique", "adds to the score", ""],
        rows,
        wide=True,
        stacked=False,
        title=f"{kept} of {len(contributions)} techniques {matter}",
        note="The score of the policy as the search found it, minus its score without the technique, on rows kept for "
        "choosing (the confirm part); in brackets 80 % intervals. A technique is left out if it adds less than 0.0025 "
        "and surely less than 0.015; where the data cannot tell, it stays. One technique always stays.",
    )
