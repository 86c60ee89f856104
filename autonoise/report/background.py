"""Sections on the policy itself, on the search that found it, and on how it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autonoise.report.history import contribution_panel, front_panel, history_of, history_panel, schedule_panel
from autonoise.report.numbers import (
    NONE,
    duration,
    fixed,
    interval,
    listed,
    moment,
    number,
    percent,
    plain,
    plural,
    signed,
)
from autonoise.report.page import Cell, Figure, Section, Table
from autonoise.report.results import contestants, counted
from autonoise.report.words import about, how_often, settings, technique_of, when

Result = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]
MATTERS = 0.0025
"""What a technique must add to the score to be kept for its own sake: the minimiser's quarter of a point."""
_PRIVATE = frozenset({"storage"})
"""Settings that a page to be passed around must not show: the address of a database may hold a password."""


def policy_section(result: Result) -> Section:
    """The steps in words and as a table, and what leaving each of them out costs."""
    policy = contestants(result).get("policy") or {}
    steps: Rows = policy.get("steps") or []
    title = "The policy"
    if not steps:
        return Section("policy", title)
    items = [_in_words(s) for s in steps]
    figures = []
    schedules = schedule_panel(steps)
    if schedules:
        alt = "; ".join(f"{plain(s.get('technique'))} {when(s)}" for s in steps)
        figures.append(Figure(schedules, f"Strength over training: {alt}."))
    contributions: Rows = [c for c in result.get("contributions") or [] if number(c.get("mean")) is not None]
    adds = contribution_panel(contributions)
    if adds:
        alt = "; ".join(f"{plain(c['technique'])} {signed(c['mean'], 4)}" for c in contributions)
        figures.append(Figure(adds, f"Score with each technique minus score without: {alt}."))
    tables = [
        Table(
            ["technique", "what it does", "settings", "how often", "when", "source"],
            [_step_row(s) for s in steps],
            wide=True,
        )
    ]
    after = []
    if contributions:
        tables.append(_contribution_table(contributions))
    families = policy.get("families") or []
    if families:
        after.append(f"Families of noise it trains on: {listed([plain(f) for f in families])}.")
    if policy.get("hash"):
        after.append(f"Policy hash {policy['hash']}.")
    return Section("policy", title, items=items, figures=figures, tables=tables, after=after)


def _in_words(step: Mapping[str, Any]) -> str:
    own = settings(step)
    return f"{plain(step.get('technique'))}{f' ({own})' if own else ''}: on {how_often(step)}, {when(step)}."


def _step_row(step: Mapping[str, Any]) -> list[Cell]:
    kind = technique_of(step)
    return [
        Cell(str(step.get("technique")), tone="code"),
        Cell(about(kind)),
        Cell(settings(step) or NONE),
        Cell(how_often(step)),
        Cell(when(step)),
        Cell(kind.reference if kind and kind.reference else NONE),
    ]


def _contribution_table(contributions: Rows) -> Table:
    kept = sum(bool(c.get("kept")) for c in contributions)
    rows = [
        [
            Cell(str(c.get("technique")), tone="code"),
            Cell(signed(c["mean"], 4), interval([c["mean"], c.get("low"), c.get("high")], 4, sign=True)),
            Cell("kept" if c.get("kept") else "left out", tone="" if c.get("kept") else "muted"),
        ]
        for c in contributions
    ]
    helps = all(c["mean"] >= MATTERS for c in contributions if c.get("kept"))
    matter = ("matters" if kept == 1 else "matter") if helps else "kept"
    return Table(
        ["technique", "adds to the score", ""],
        rows,
        wide=True,
        title=f"{kept} of {len(contributions)} techniques {matter}",
        note="Score of the policy as found minus its score without the technique, on the confirm part, with 80 % "
        "intervals. A technique is left out that adds less than a quarter of an accuracy point and surely less "
        "than one and a half; where the data cannot tell it stays, and one always does.",
    )


def search_section(result: Result, trials: Rows) -> Section:
    """How the search went, and what else it found."""
    figures = []
    history = history_of(trials)
    first = history_panel(history)
    if first:
        alt = f"Score per trial; the best of {len(history.complete)} complete trials is {fixed(history.best[-1][1])}."
        figures.append(Figure(first, alt))
    winners: Mapping[str, Mapping[str, Any]] = result.get("winners") or {}
    second = front_panel(result.get("front") or [], trials, winners)
    if second:
        alt = "Noisy against clean accuracy of all trials, with the Pareto front and the winners."
        figures.append(Figure(second, alt))
    tables = []
    if winners:
        rows = [
            [
                Cell(name),
                Cell(str(w.get("file", NONE)), tone="code"),
                Cell(fixed(w.get("clean"))),
                Cell(fixed(w.get("noisy"))),
                Cell(_part_of(w, result)),
                Cell(fixed(w.get("passes"), 2)),
                _techniques(w),
            ]
            for name, w in winners.items()
        ]
        tables.append(
            Table(
                ["winner", "file", "clean", "noisy, search", "part", "passes", "techniques"],
                rows,
                title="Winners",
                wide=True,
                note="Trained again on fresh seeds and measured on rows that the search did not see, so they may lie "
                "off the front. Numbers of different parts cannot be compared with each other.",
            )
        )
    standings: Rows = result.get("standings") or []
    if standings:
        rows = [
            [
                Cell(str(s.get("name"))),
                Cell(str(s.get("role", NONE))),
                Cell(fixed(s.get("score"))),
                Cell(fixed(s.get("clean"))),
                Cell(fixed(s.get("noisy"))),
                Cell(str(s.get("seeds", NONE))),
                _techniques(s),
            ]
            for s in standings
        ]
        tables.append(
            Table(
                ["name", "role", "score", "clean", "noisy, search", "seeds", "techniques"],
                rows,
                title="Confirming",
                wide=True,
                note="Means on the confirm part; an entry that is clearly behind leaves after fewer seeds.",
            )
        )
    text = _counts(result.get("counts") or {}, sum(number(t.get("seconds")) or 0.0 for t in trials))
    return Section("search", "The search", text=[text] if text else [], figures=figures, tables=tables)


def _part_of(winner: Mapping[str, Any], result: Result) -> str:
    """A winner that was changed after confirming has only the numbers of the verdict."""
    policy = contestants(result).get("policy") or {}
    own = [number(winner.get("clean")), number(winner.get("noisy"))]
    tested = [number((policy.get(key) or [None])[0]) for key in ("clean", "search")]
    return NONE if None in own else "test" if own == tested else "confirm"


def _techniques(row: Mapping[str, Any]) -> Cell:
    return Cell(", ".join(map(str, row.get("techniques") or [])) or NONE)


def _counts(counts: Mapping[str, Any], training: float) -> str:
    known = ((word, number(counts.get(word))) for word in ("complete", "pruned", "failed"))
    parts = [f"{int(n):,} {word}" for word, n in known if n is not None]
    text = f"Trials: {listed(parts)}." if parts else ""
    if number(counts.get("seconds_search")) is not None:
        text += f" The search took {duration(counts['seconds_search'])}."
    elif training:
        text += f" Training and scoring them took {duration(training)}."
    if number(counts.get("work")) is not None:
        text += f" Work of the search: that of {fixed(counts['work'], 1)} full trainings."
    return text.strip()


def method_section(result: Result) -> Section:
    """Parts, seeds, the day the test part was read, severities, versions, fingerprint of the data."""
    held: Sequence[str] = result.get("held_out") or []
    weight = number(result.get("noise_weight"))
    items = [
        "Four disjoint parts: the model trains on the first, the search sees the second, choosing and leaving out "
        "techniques the third, the verdict the fourth."
    ]
    rows = number(result.get("test_rows"))
    if rows is not None or result.get("test_read_at"):
        count = f" ({plural(int(rows), 'row')})" if rows is not None else ""
        read = f" was first read on {moment(result['test_read_at'])}, and" if result.get("test_read_at") else ""
        items.append(f"The test part{count}{read} is never seen by the search, by choosing or by leaving out.")
    if result.get("seeds"):
        items.append(
            f"Every contestant trained from {_seeds(result)} fresh seeds with equal epochs; the numbers are "
            "those of the last epoch, never of the best."
        )
    items += _looks(result)
    if weight is not None:
        items.append(f"Noise weight {fixed(weight, 2)}: noisy accuracy has {percent(weight)} of the score.")
    if any(c.get("amounts") for c in result.get("corruptions") or []):
        items.append(
            "Severities were calibrated once, on the baseline, before the search, and frozen in corruptions.json."
        )
    if held:
        every = [c for c in result.get("corruptions") or [] if c.get("group") == "held_out"]
        out = len(every) - len(counted(result, "held_out"))
        why = "left out because a contestant trained on the same or a related family"
        left = f"; {plural(out, 'other')} {why}" if out > 0 else ""
        items.append(f"Held-out corruptions that count: {listed([plain(h) for h in held])}{left}.")
    config = {k: v for k, v in (result.get("config") or {}).items() if k not in _PRIVATE}
    facts = [
        ("data", str(result.get("describe") or "")),
        ("data fingerprint", str(result.get("data") or "")),
        ("created", moment(result.get("created") or "")),
        ("versions", ", ".join(f"{k} {v}" for k, v in (result.get("versions") or {}).items())),
        ("settings", ", ".join(f"{plain(k)} {v}" for k, v in config.items())),
    ]
    rows_of = [[Cell(name), Cell(value)] for name, value in facts if value]
    tables = [Table(["", ""], rows_of, wide=True)] if rows_of else []
    return Section("method", "How it was measured", items=items, tables=tables)


def _seeds(result: Result) -> str:
    """``5``, or ``10 (baseline) and 5 (policy)`` where the noisier side got more."""
    each = result.get("seeds_of") or {}
    if len(set(each.values())) < 2:
        return str(next(iter(each.values()), result["seeds"]))
    return listed([f"{k} ({label})" for label, k in each.items()])


def _looks(result: Result) -> list[str]:
    """How often the test part was looked at, and what its rows and the training sets have in common."""
    out = []
    looks, verdicts, level = (number(result.get(k)) for k in ("looks", "verdicts", "level"))
    if looks is not None and verdicts is not None and level is not None:
        out.append(
            f"{plural(int(looks), 'look')} at the test part in {plural(int(verdicts), 'verdict')} so far. The 5 % that "
            f"intervals may miss are spent over all of them (Pocock-like, Lan and DeMets); this verdict had "
            f"{fixed(100 * level, 2)} %."
        )
    if number(result.get("test_groups")) is not None:
        out.append(f"The test rows are {result['test_groups']} groups; a group counts as one draw.")
    if (number(result.get("folds")) or 1) > 1:
        out.append(f"The seeds are spread evenly over {result['folds']} training sets (folds), which count as draws.")
    return out


def warnings_section(warnings: Sequence[str]) -> Section:
    return Section("warnings", "Notes on single corruptions", items=list(warnings))
