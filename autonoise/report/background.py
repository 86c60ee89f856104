"""The section on how it was measured, and notes on single kinds of noise."""

from __future__ import annotations

from collections.abc import Sequence

from autonoise.report.numbers import fixed, listed, moment, number, percent, plain, plural
from autonoise.report.page import Cell, Section, Table
from autonoise.report.results import counted
from autonoise.report.who import named
from autonoise.study.result import Result

_PRIVATE = frozenset({"storage"})
"""Settings that are not shown, since reports are passed around: the address of a database may hold a password."""


def method_section(result: Result) -> Section:
    """How it was measured: parts of the data, seeds, looks at the test part, severities, settings, versions."""
    weight = number(result.noise_weight)
    items = [
        "The data are cut into four parts without common rows: models train on the first (train), the search compares "
        "policies on the second (search), the best are chosen and cleared of needless techniques on the third "
        "(confirm), and the verdict is reached on the fourth (test)."
    ]
    if result.test_rows is not None or result.test_read_at:
        count = f" ({plural(result.test_rows, 'row')})" if result.test_rows is not None else ""
        read = f" was first read on {moment(result.test_read_at)}, and" if result.test_read_at else ""
        items.append(f"The test part{count}{read} is never seen before the verdict.")
    if result.seeds:
        items.append(
            f"Every contestant was trained from {_seeds(result)} fresh seeds for as many epochs; the numbers "
            "are those of the last epoch, never of the best."
        )
    items += _looks(result)
    if weight is not None:
        items.append(f"Noise weight {fixed(weight, 2)}: noisy accuracy has {percent(weight)} of the score.")
    if any(c.amounts for c in result.corruptions):
        items.append(
            "How strong the noise of each severity is was set once, before the search, by what it costs a model "
            "trained without noise; it stands in corruptions.json."
        )
    if result.held_out_of:
        items.append(
            "No kind of noise kept for judging is new to all contestants, so each two of them were compared under "
            "those that neither trained on. New to each: "
            + "; ".join(f"{named(k)}: {listed([plain(h) for h in v]) or 'none'}" for k, v in result.held_out_of.items())
            + "."
        )
    elif result.held_out:
        every = [c for c in result.corruptions if c.group == "held_out"]
        out = len(every) - len(counted(result, "held_out"))
        why = "left out because a contestant trained on noise of the same or a related kind"
        left = f"; {plural(out, 'other')} {why}" if out > 0 else ""
        items.append(f"New noise, kept for judging: {listed([plain(h) for h in result.held_out])}{left}.")
    elif result.contestants:
        items.append("No noise kept for judging counts: some contestant trained on the same or a related kind of each.")
    config = {k: v for k, v in result.config.items() if k not in _PRIVATE}
    facts = [
        ("data", result.describe.replace("proxy ", "small model ")),
        ("data fingerprint", result.data),
        ("created", moment(result.created)),
        ("versions", ", ".join(f"{k} {v}" for k, v in result.versions.items())),
        ("settings", ", ".join(f"{plain(k)} {v}" for k, v in config.items())),
    ]
    rows_of = [[Cell(name), Cell(value)] for name, value in facts if value]
    tables = [Table(["", ""], rows_of, wide=True)] if rows_of else []
    return Section("method", "How it was measured", items=items, tables=tables)


def _seeds(result: Result) -> str:
    """``5``, or ``10 (no noise) and 5 (found)`` where the noisier side got more."""
    each = result.seeds_of
    if len(set(each.values())) < 2:
        return str(next(iter(each.values()), result.seeds))
    return listed([f"{k} ({named(label)})" for label, k in each.items()])


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
    return Section("warnings", "Notes on single kinds of noise", items=[_readable(w) for w in warnings])


def _readable(warning: str) -> str:
    """``posterise: weak``, with the name of the noise in words."""
    name, colon, rest = warning.partition(": ")
    return f"{plain(name)}{colon}{rest}"
