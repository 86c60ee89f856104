"""The words of a report that a reader cannot know, each with its meaning, and the data in a line."""

from __future__ import annotations

from autonoise.report.numbers import number, percent
from autonoise.report.page import Term
from autonoise.report.results import counted
from autonoise.study.result import Result

_SEPARATOR = " · "


def subtitle(describe: str) -> str:
    """The data and the model in a line; how the data were cut is told further below."""
    parts = [p for p in describe.split(_SEPARATOR) if not p.startswith("train ")]
    return _SEPARATOR.join(f"small model {p.removeprefix('proxy ')}" if p.startswith("proxy ") else p for p in parts)


def terms(result: Result) -> tuple[Term, ...]:
    """What the words above the tables mean; those that this report does not use are left out."""
    said = f"{result.sentence} {result.recommendation}"
    weight, kinds = number(result.noise_weight), len(counted(result, "held_out"))
    out = []
    if "proxy " in result.describe:
        out.append(
            Term(
                "small model",
                "stands in for yours, so that many trainings are affordable. The command autonoise evaluate tells how "
                "the policy does on your own.",
            )
        )
    if kinds:
        number_of = f"{kinds} kinds" if kinds > 1 else "a kind"
        who = "the training of the found policy" if result.held_out_of else "any training here"
        out.append(
            Term(
                "noise never trained on, new noise",
                f"{number_of} of noise kept back for the judgement. Neither the search nor {who} has met them, nor a "
                "related kind.",
            )
        )
    if weight is not None:
        out.append(
            Term(
                "score",
                f"{percent(1 - weight)} clean accuracy and {percent(weight)} accuracy under new noise, from 0 to 1. "
                "Better and worse speak of it.",
            )
        )
    if "gap closed" in said:
        out.append(
            Term(
                "gap closed",
                "of the accuracy that noise costs without a policy, the share that is won back: 0 % is no help, 100 % "
                "means that noise costs nothing any more; below 0 it costs more.",
            )
        )
    if "best recipe" in said:
        out.append(
            Term("best recipe", "the best of the published recipes and starting policies that were tried as they are.")
        )
    if "undecided" in said.lower():
        out.append(Term("undecided", "the interval of the difference holds 0: both better and worse are possible."))
    if "[" in said:
        out.append(
            Term("[from, to]", "a 95 % interval: where the number would lie for other trainings and other rows.")
        )
    return tuple(out)
