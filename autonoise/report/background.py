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
from autonoise.study.names import called, one_policy
from autonoise.study.result import ContributionResult, Counts, Result, WinnerResult

Rows = Sequence[Mapping[str, Any]]
MATTERS = 0.0025
"""Gain in the score (0 to 1) from which on a technique is said to matter; the search tries to leave out the others."""
_ABOUT_WINNERS = (
    "Trained again on fresh seeds and measured on rows that the search did not see, so they may lie off the front. "
    "Numbers of different parts cannot be compared with each other."
)
_PRIVATE = frozenset({"storage"})
"""Settings that are not shown, since reports are passed around: the address of a database may hold a password."""


def policy_section(result: Result) -> Section:
    """The steps in words and as a table, and what leaving each of them out costs."""
    policy = contestants(result).get("policy")
    title = "The policy"
    if policy is None or not policy.steps:
        return Section("policy", title)
    steps = policy.steps
    items = [_in_words(s) for s in steps]
    figures = []
    schedules = schedule_panel(steps)
    if schedules:
        alt = "; ".join(f"{plain(s.get('technique'))} {when(s)}" for s in steps)
        figures.append(Figure(schedules, f"Strength over training: {alt}."))
    contributions = [c for c in result.contributions if number(c.mean) is not None]
    adds = contribution_panel(contributions)
    if adds:
        alt = "; ".join(f"{plain(c.technique)} {signed(c.mean, 4)}" for c in contributions)
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
    if policy.families:
        after.append(f"Families of noise it trains on: {listed([plain(f) for f in policy.families])}.")
    if policy.hash:
        after.append(f"Policy hash {policy.hash}.")
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


def _contribution_table(contributions: Sequence[ContributionResult]) -> Table:
    kept = sum(c.kept for c in contributions)
    rows = [
        [
            Cell(c.technique, tone="code"),
            Cell(signed(c.mean, 4), interval([c.mean, c.low, c.high], 4, sign=True)),
            Cell("kept" if c.kept else "left out", tone="" if c.kept else "muted"),
        ]
        for c in contributions
    ]
    helps = all(c.mean >= MATTERS for c in contributions if c.kept)
    matter = ("matters" if kept == 1 else "matter") if helps else "kept"
    return Table(
        ["technique", "adds to the score", ""],
        rows,
        wide=True,
        title=f"{kept} of {len(contributions)} techniques {matter}",
        note="Score of the policy as found minus its score without the technique, on the confirm part, with 80 % "
        "intervals. A technique is left out if it adds less than 0.0025 and surely less than 0.015; where the data "
        "cannot tell, it stays. One technique always stays.",
    )


def search_section(result: Result, trials: Rows) -> Section:
    """How the search went, and what else it found."""
    figures = []
    history = history_of(trials)
    first = history_panel(history)
    if first:
        alt = f"Score per trial; the best of {len(history.complete)} complete trials is {fixed(history.best[-1][1])}."
        figures.append(Figure(first, alt))
    winners = result.winners
    second = front_panel(result.front, trials, winners)
    if second:
        alt = "Noisy against clean accuracy of all trials, with the Pareto front and the winners."
        figures.append(Figure(second, alt))
    tables = []
    if winners:
        rows = [
            [
                Cell(listed(wishes)),
                Cell(w.file or NONE, tone="code"),
                Cell(fixed(w.clean)),
                Cell(fixed(w.noisy)),
                Cell(_part_of(w, result)),
                Cell(fixed(w.passes, 2)),
                _techniques(w.techniques),
            ]
            for wishes, w in _together(winners)
        ]
        tables.append(
            Table(
                ["winner", "file", "clean", "noisy, search", "part", "passes", "techniques"],
                rows,
                title="Winners",
                wide=True,
                note=" ".join([*(f"{line}." for line in one_policy(winners)), _ABOUT_WINNERS]),
            )
        )
    if result.standings:
        rows = [
            [
                Cell(s.name),
                Cell(s.role or NONE),
                Cell(fixed(s.score)),
                Cell(fixed(s.clean)),
                Cell(fixed(s.noisy)),
                Cell(str(s.seeds)),
                _techniques(s.techniques),
            ]
            for s in result.standings
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
    text = _counts(result.counts, sum(number(t.get("seconds")) or 0.0 for t in trials))
    return Section("search", "The search", text=[text] if text else [], figures=figures, tables=tables)


def _together(winners: Mapping[str, WinnerResult]) -> list[tuple[list[str], WinnerResult]]:
    """The wishes that one file fulfils, with what it reached: a policy that is the best for several has one row."""
    files: dict[str, list[str]] = {}
    for wish, winner in winners.items():
        files.setdefault(winner.file or wish, []).append(wish)
    return [(wishes, winners[wishes[0]]) for wishes in files.values()]


def _part_of(winner: WinnerResult, result: Result) -> str:
    """The part that a winner was measured on: one changed after confirming has only the numbers of the verdict."""
    own = [number(winner.clean), number(winner.noisy)]
    policy = contestants(result).get("policy")
    tested = [number(x and x.mean) for x in (policy.clean, policy.search)] if policy is not None else []
    return NONE if None in own else "test" if own == tested else "confirm"


def _techniques(names: Sequence[str]) -> Cell:
    return Cell(", ".join(names) or NONE)


def _counts(counts: Counts | None, training: float) -> str:
    """How many trials there were and what they cost. ``training``: seconds of all trials, from their own rows."""
    if counts is None:
        return f"Training and scoring the trials took {duration(training)}." if training else ""
    words = (("complete", counts.complete), ("pruned", counts.pruned), ("failed", counts.failed))
    text = f"Trials: {listed([f'{n:,} {word}' for word, n in words])}."
    if number(counts.seconds_search) is not None:
        text += f" Training and scoring them took {duration(counts.seconds_search)}"
        text += f", the work of {fixed(counts.work, 1)} full trainings." if number(counts.work) is not None else "."
    return text


def method_section(result: Result) -> Section:
    """How it was measured: parts of the data, seeds, looks at the test part, severities, settings, versions."""
    weight = number(result.noise_weight)
    items = [
        "The data are cut into four parts without common rows: models train on the first, the search compares "
        "policies on the second, the best are chosen and cleared of needless techniques on the third (confirm), and "
        "the verdict is reached on the fourth (test)."
    ]
    if result.test_rows is not None or result.test_read_at:
        count = f" ({plural(result.test_rows, 'row')})" if result.test_rows is not None else ""
        read = f" was first read on {moment(result.test_read_at)}, and" if result.test_read_at else ""
        items.append(f"The test part{count}{read} is never seen before the verdict.")
    if result.seeds:
        items.append(
            f"Every contestant was trained from {_seeds(result)} fresh seeds with equally many epochs; the numbers "
            "are those of the last epoch, never of the best."
        )
    items += _looks(result)
    if weight is not None:
        items.append(f"Noise weight {fixed(weight, 2)}: noisy accuracy has {percent(weight)} of the score.")
    if any(c.amounts for c in result.corruptions):
        items.append(
            "Severities were calibrated once, on the baseline, before the search, and frozen in corruptions.json."
        )
    if result.held_out:
        every = [c for c in result.corruptions if c.group == "held_out"]
        out = len(every) - len(counted(result, "held_out"))
        why = "left out because a contestant trained on the same or a related family"
        left = f"; {plural(out, 'other')} {why}" if out > 0 else ""
        items.append(f"Held-out corruptions that count: {listed([plain(h) for h in result.held_out])}{left}.")
    elif result.contestants:
        items.append("No held-out corruption counts: some contestant trained on the same or a related family of each.")
    config = {k: v for k, v in result.config.items() if k not in _PRIVATE}
    facts = [
        ("data", result.describe),
        ("data fingerprint", result.data),
        ("created", moment(result.created)),
        ("versions", ", ".join(f"{k} {v}" for k, v in result.versions.items())),
        ("settings", ", ".join(f"{plain(k)} {v}" for k, v in config.items())),
    ]
    rows_of = [[Cell(name), Cell(value)] for name, value in facts if value]
    tables = [Table(["", ""], rows_of, wide=True)] if rows_of else []
    return Section("method", "How it was measured", items=items, tables=tables)


def _seeds(result: Result) -> str:
    """``5``, or ``10 (baseline) and 5 (policy)`` where the noisier side got more."""
    each = result.seeds_of
    if len(set(each.values())) < 2:
        return str(next(iter(each.values()), result.seeds))
    return listed([f"{k} ({called(label)})" for label, k in each.items()])


def _looks(result: Result) -> list[str]:
    """How often the test part was looked at, and what its rows and the training sets have in common."""
    out = []
    level = number(result.level)
    if result.looks is not None and result.verdicts is not None and level is not None:
        out.append(
            f"{plural(result.looks, 'look')} at the test part in {plural(result.verdicts, 'verdict')} so far. The 5 % "
            f"that intervals may miss are spent over all of them (alpha spending after Lan and DeMets, Pocock type); "
            f"this verdict had {fixed(100 * level, 2)} %."
        )
    if result.test_groups is not None:
        out.append(
            f"The test rows come in {plural(result.test_groups, 'group')}; the intervals take a group as one "
            "observation, since its rows are alike."
        )
    if result.folds > 1:
        out.append(
            f"The seeds are spread evenly over {result.folds} training sets (folds), and the intervals allow for the "
            "choice of the training set."
        )
    return out


def warnings_section(warnings: Sequence[str]) -> Section:
    return Section("warnings", "Notes on single corruptions", items=list(warnings))
