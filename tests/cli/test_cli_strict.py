"""The exit status of --strict, and what the table of the command line prints where there is no number."""

from __future__ import annotations

import pytest

from autonoise.cli.searching import closed, strict_status
from autonoise.study.result import Gap, Measured, Result


def result(noise: str, recipe: str | None, verdict: str = "better") -> Result:
    told = {"no noise": noise} | ({"best recipe": recipe} if recipe else {})
    return Result(answers=told, verdict=verdict)


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (result("better", "better"), 0),
        (result("better", None), 0),
        (result("better", "as good as"), 3),
        (result("better", "undecided"), 3),
        (result("better", "worse"), 3),
        (result("undecided", "better"), 1),
        (result("as good as", None), 1),
        (result("worse", "better"), 1),
        (result("not measurable", None), 1),
        (None, 1),
        (result("better", "better", "breaks the clean limit"), 1),
    ],
)
def test_the_exit_status_of_strict(found: Result | None, status: int) -> None:
    assert strict_status(found) == status


def test_no_gap_and_not_measurable_are_words() -> None:
    assert closed(Result(gaps={"held_out": None}), None) == "not measurable"
    assert closed(Result(gaps={"held_out": Gap(closable=False)}), None) == "no gap to close"
    assert closed(Result(gaps={"held_out": Gap(closable=True)}), Measured(0.42, 0.35, 0.49)) == "42 % [35, 49]"
