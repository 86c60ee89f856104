"""Notes in Markdown: one for a trial, one for the study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState

from autonoise.dashboard.plain_text import in_markdown
from autonoise.errors import AutonoiseError
from autonoise.report.numbers import NONE, duration, fixed, interval, percent, plain, signed
from autonoise.report.words import usage
from autonoise.study.config import StudyConfig
from autonoise.study.result import Measured, Result
from autonoise.study.trial_record import TrialRecord, facts_of
from autonoise.technique import words
from autonoise.technique.step import Step

_ENDS = {
    TrialState.PRUNED: "Given up",
    TrialState.FAIL: "Failed",
    TrialState.COMPLETE: "Remark",
}


def sentence_of(record: TrialRecord) -> str:
    """The policy of a trial in words; the names of its techniques where this installation cannot read them."""
    if not record.has_policy:
        return "no policy was drawn"
    try:
        return words.policy_in_words(record.policy.steps)
    except AutonoiseError:
        return " + ".join(map(plain, record.techniques))


def trial_note(record: TrialRecord, baseline: TrialRecord | None = None) -> str:
    """What is known of a finished trial: its policy in words, the same as a table, what it reached, why it ended.

    ``baseline``: the trial without noise, which the numbers are compared with.
    """
    parts = [in_markdown(sentence_of(record)), *_steps(record), _numbers(record, baseline)]
    if record.rung == 0:
        parts.append("These numbers are of the short training: do not compare them with those of completed trials.")
    if record.reason and record.state in _ENDS:
        parts.append(f"**{_ENDS[record.state]}**: {in_markdown(record.reason)}")
    return "\n\n".join(parts) + "\n"


def _steps(record: TrialRecord) -> list[str]:
    """The table of the steps; nothing where there are none, or none that can be read."""
    try:
        steps = record.policy.steps if record.has_policy else ()
    except AutonoiseError:
        return []
    if not steps:
        return []
    rows = [(s.name, _settings(s), words.how_often(s), words.when(s.schedule), words.where(s)) for s in steps]
    return [table(("technique", "settings", "how often", "when", "where"), rows)]


def _settings(step: Step) -> str:
    weaker = " or weaker, at random" if step.magnitude == "uniform" else ""
    return f"{words.settings(step)}{weaker}" if words.settings(step) else NONE


def _numbers(record: TrialRecord, baseline: TrialRecord | None) -> str:
    base = baseline if record.rung == 1 and baseline is not None and baseline.number != record.number else None
    family = facts_of(record.trial).get("worst_family", "")

    def told(name: str) -> str:
        value = getattr(record, name)
        change = signed(value - getattr(base, name)) if base is not None else NONE
        return fixed(value) + (f" ({change})" if change != NONE else "")

    worst = told("worst") + (f", {plain(family)}" if family and not math.isnan(record.worst) else "")
    cost = [
        NONE if math.isnan(record.passes) else f"{fixed(record.passes, 2)} passes per step",
        duration(record.seconds),
    ]
    note = "In brackets: the difference to training without noise." if base is not None else ""
    columns = ("score", "clean accuracy", "noisy accuracy", "worst family", "cost")
    return table(columns, [(told("score"), told("clean"), told("noisy"), worst, ", ".join(cost))]) + (
        f"\n\n{note}" if note else ""
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of Markdown; what stands in it is shown as text."""
    lines = [columns, ["---"] * len(columns), *([in_markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


@dataclass(frozen=True)
class Facts:
    """What the note of a study is made of.

    ``about``: lines on the data, the first with rows, parts and model separated by " · "; ``techniques``: those that
    are searched; ``counts``: trials by how they ended; ``notes``: how many trials have a note; ``exported``: the
    steps in policy.yaml.
    """

    config: StudyConfig
    about: Sequence[str]
    techniques: Sequence[str]
    presets: int
    counts: Mapping[str, int]
    baseline: TrialRecord | None
    best: TrialRecord | None
    result: Result | None
    notes: int
    exported: Sequence[Mapping[str, Any]] = ()


def study_note(facts: Facts) -> str:
    """What a reader of a study wants to know first: verdict, how to use it, then what it rests on."""
    config = facts.config
    parts = [f"# {in_markdown(config.study)}", *_verdict(facts)]
    if facts.best is not None:
        parts.append("## How to import the result")
        parts.append(_import(facts))
    parts += ["## What was done", table(("", ""), _done(facts))]
    trials = sum(facts.counts.values())
    if trials > facts.notes:
        parts.append(
            f"{facts.notes} of {trials} trials have a note: training without noise, the best, and the last of the "
            "others. The attributes of each trial say the same; `autonoise.0_policy` is its policy in words."
        )
    return "\n\n".join(parts)


def _verdict(facts: Facts) -> list[str]:
    result, best = facts.result, facts.best
    if result is not None:
        lines = [
            f"**Verdict: {in_markdown(result.verdict)}**",
            in_markdown(result.sentence.removeprefix(f"{result.verdict}: ")),
        ]
        if result.recommendation:
            lines.append(in_markdown(result.recommendation))
        return [*lines, *_contestants(result)]
    if best is None:
        return ["No trial has been completed yet."]
    return [
        "**There is no verdict yet**: the numbers of trials are of the rows that the search chose by, and flatter the "
        "best of them.",
        f"Best so far, trial {best.number} with a score of {fixed(best.score)}: {in_markdown(sentence_of(best))}",
    ]


def _contestants(result: Result) -> list[str]:
    names = {"baseline": "no noise", "policy": "found", "preset": "best published recipe", "start": "starting policy"}
    rows = [
        (names.get(label, label), *map(_measured, (c.clean, c.search, c.held_out, c.score)))
        for label, c in result.contestants.items()
    ]
    columns = ("on the test rows", "clean", "noise as searched", "held-out noise", "score")
    return [table(columns, rows), "Accuracies from 0 to 1 with 95 % intervals."] if rows else []


def _measured(value: Measured | None) -> str:
    return NONE if value is None else f"{fixed(value.mean)} {interval(value)}"


def _import(facts: Facts) -> str:
    result = facts.result
    if result is not None and result.recommended == "baseline":
        return (
            "Nothing to import: train as you do now. `policy.yaml` has no steps; the policy that was found is "
            "`policies/found.yaml`, all the same."
        )
    code, note = usage(facts.exported, "policy.yaml")
    told = "`policy.yaml` lies in the folder of the study"
    if result is None:
        told += " and holds the best trial so far."
    elif result.recommended == "undecided":
        told += " and holds what is most likely to help; nothing is sure yet. The search found `policies/found.yaml`."
    else:
        told += " and holds what is recommended."
    return f"{told}\n\n```python\n{code}\n```" + (f"\n\n{in_markdown(note)}" if note else "")


def _done(facts: Facts) -> list[tuple[str, str]]:
    config, base = facts.config, facts.baseline
    first, *more = facts.about or ("",)
    rows = [("data", config.data.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])]
    names = ("type", "size", "split", "model", "training")
    parts = first.split(" · ")
    # the split has one number for each part, the other parts of the line are told apart by their place
    rows += list(zip(names, parts, strict=True)) if len(parts) == len(names) else [("rows, split, model", first)]
    rows += [("", line) for line in more]
    if base is not None:
        numbers = f"clean {fixed(base.clean)}, noisy {fixed(base.noisy)}, worst family {fixed(base.worst)}"
        rows.append(("without noise", f"trial {base.number}: {numbers}"))
    listed = ", ".join(map(plain, facts.techniques))
    recipes = f", and {facts.presets} published recipes" if facts.presets else ""
    rows.append(("searched", f"{len(facts.techniques)} techniques and their mixes{recipes}: {listed}"))
    score = f"{percent(1 - config.noise_weight)} clean + {percent(config.noise_weight)} noisy accuracy"
    limits = [
        f"clean accuracy at most {fixed(config.max_clean_drop)} lower" if config.max_clean_drop is not None else "",
        f"at most {config.max_cost:g} passes per step" if config.max_cost is not None else "",
    ]
    rows.append(("chosen by", "; ".join([score, *filter(None, limits)])))
    counts = ", ".join(f"{n} {state}" for state, n in sorted(facts.counts.items()))
    rows.append(("trials", f"{config.trials} asked for: {counts or 'none begun'}"))
    return rows
