"""Sections on the search: how it went, who was trained again, what was given up, where the time went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from autonoise.report.history import front_panel, history_of, history_panel
from autonoise.report.numbers import NONE, duration, fixed, listed, number, percent
from autonoise.report.page import Cell, Figure, Section, Table
from autonoise.report.who import names_of_standings
from autonoise.study.result import Counts, Result

Rows = Sequence[Mapping[str, Any]]
_ROLES = {"preset": "published recipe", "start": "starting policy", "found": "search", "baseline": "no noise"}
_WHY = (
    # how the reason of a trial begins, or where it is found; how it is told
    (r"^pruned after the short training", "clearly behind after a short training on half of the rows"),
    (r"^same policy as trial", "the same policy had been tried before: its score was taken over"),
    (r"^training diverged", "training diverged (numbers stopped being finite); counted as guessing"),
    (r"above --max-cost", "costs more passes than --max-cost allows: not trained"),
    (r"^its process was killed", "its process was killed"),
)
_PHASES = {
    "confirm": "the best policies, trained again from fresh seeds",
    "minimise": "the chosen policy, trained without each of its techniques",
    "verdict": "the final comparison on the test rows",
}
_LONGEST = 90
"""Characters of a reason that are shown."""


def search_section(result: Result, trials: Rows) -> Section:
    """How the search went, and what was trained again after it."""
    figures = []
    history = history_of(trials)
    first = history_panel(history)
    if first:
        alt = f"Score per trial; the best of {len(history.complete)} complete trials is {fixed(history.best[-1][1])}."
        figures.append(Figure(first, alt))
    second = front_panel(result.front, trials)
    if second:
        alt = "Accuracy under noise against clean accuracy of all trials, and those that no other beats."
        figures.append(Figure(second, alt))
    tables = []
    if result.standings:
        rows = [
            [
                Cell(name),
                Cell(_ROLES.get(s.role, s.role) or NONE),
                Cell(fixed(s.score)),
                Cell(fixed(s.clean)),
                Cell(fixed(s.noisy)),
                Cell(str(s.seeds)),
                Cell(", ".join(s.techniques).replace("_", " ") or NONE),
            ]
            for name, s in zip(names_of_standings(result), result.standings, strict=True)
        ]
        tables.append(
            Table(
                ["policy", "from", "score", "clean", "under noise", "trainings", "techniques"],
                rows,
                title="The best, trained again from fresh seeds",
                wide=True,
                note="A search flatters what it chooses, so the best were trained again and compared on rows that it "
                "did not see (the confirm part); noise is that of the search. What was clearly behind was trained less "
                "often. Numbers of different parts of the data cannot be compared with each other.",
            )
        )
    text = _counts(result.counts, sum(number(t.get("seconds")) or 0.0 for t in trials))
    return Section("search", "The search", text=[text] if text else [], figures=figures, tables=tables)


def _counts(counts: Counts | None, training: float) -> str:
    """How many trials there were and what they cost. ``training``: seconds of all trials, from their own rows."""
    if counts is None:
        return f"Training and scoring the trials took {duration(training)}." if training else ""
    words = (("completed", counts.complete), ("given up early", counts.pruned), ("failed", counts.failed))
    text = f"Trials, each a policy that was tried: {listed([f'{n:,} {word}' for word, n in words])}."
    if number(counts.seconds_search) is not None:
        text += f" Training and scoring them took {duration(counts.seconds_search)}"
        text += f", the work of {fixed(counts.work, 1)} full trainings." if number(counts.work) is not None else "."
    return text


def effort_section(result: Result, trials: Rows) -> Section:
    """What was tried and given up, and where the time went."""
    tables = [t for t in (_given_up(trials), _time(result, trials)) if t is not None]
    text = [
        "The policies that were given up had these techniques most often: " + _most(trials) + "."
        for _ in range(bool(_most(trials)))
    ]
    return Section("effort", "What was given up, and where the time went", text=text, tables=tables)


def _given_up(trials: Rows) -> Table | None:
    """How many trials ended in which way, and why; None where all were trained to the end, or none is known."""
    met: Counter[tuple[str, str]] = Counter()
    seconds: Counter[tuple[str, str]] = Counter()
    for t in trials:
        how = ended(str(t.get("state")), str(t.get("reason") or ""))
        met[how] += 1
        seconds[how] += number(t.get("seconds")) or 0.0  # type: ignore[assignment]
    order = {"completed": 0, "given up": 1, "failed": 2}
    rows = [
        [Cell(how), Cell(why), Cell(f"{met[how, why]:,}"), Cell(duration(seconds[how, why]))]
        for how, why in sorted(met, key=lambda k: (order.get(k[0], 3), -met[k], k[1]))
    ]
    if not rows:
        return None
    return Table(["", "why", "trials", "time"], rows, title="How the trials ended", lead=2)


def ended(state: str, reason: str) -> tuple[str, str]:
    """How a trial ended, in a word, and why; the reason of a fault is the fault itself."""
    how = {"complete": "completed", "pruned": "given up", "fail": "failed", "failed": "failed"}.get(state, state)
    for pattern, words in _WHY:
        if re.search(pattern, reason):
            return ("given up" if reason.startswith("training diverged") else how), words
    if not reason:
        return how, "trained to the end" if how == "completed" else NONE
    return how, reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"


def _most(trials: Rows) -> str:
    """The techniques of the trials that were given up, those met most often first; empty where none was."""
    given_up = [
        t for t in trials if ended(str(t.get("state")), str(t.get("reason") or ""))[0] in ("given up", "failed")
    ]
    met = Counter(name.replace("_", " ") for t in given_up for name in set(t.get("techniques") or ()))
    return listed([f"{name} ({n})" for name, n in sorted(met.items(), key=lambda x: (-x[1], x[0]))[:6]])


def _time(result: Result, trials: Rows) -> Table | None:
    """Seconds of each phase, and its share; None where only the search is known."""
    searched = sum(number(t.get("seconds")) or 0.0 for t in trials)
    if not searched and result.counts is not None:
        searched = number(result.counts.seconds_search) or 0.0
    phases = [("search", "the trials", len(trials), searched)]
    phases += [
        (name, words, spent.trainings, number(spent.seconds) or 0.0)
        for name, words in _PHASES.items()
        if (spent := result.spent.get(name)) is not None
    ]
    whole = sum(seconds for *_, seconds in phases)
    if len(phases) < 2 or not whole:
        return None
    rows = [
        [Cell(name), Cell(words), Cell(f"{n:,}"), Cell(duration(seconds)), Cell(percent(seconds / whole))]
        for name, words, n, seconds in phases
    ]
    last = number(result.counts.seconds_last_run) if result.counts is not None else None
    run = f" The last run took {duration(last)} from its start to its verdict." if last is not None else ""
    note = f"Time to train and to score, summed over processes that ran side by side.{run}"
    return Table(["phase", "what", "trainings", "time", "share"], rows, title="Where the time went", note=note, lead=2)
