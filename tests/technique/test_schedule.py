"""The table of shapes, number by number."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autonoise.technique.schedule import SHAPES, Gate, Schedule

# progress: 0, 0.2, 0.25, 0.5, 0.75, 1
TABLE: dict[str, list[float]] = {
    "constant": [1, 1, 1, 1, 1, 1],
    "window": [0, 0, 0, 1, 1, 1],
    "ramp_up": [0, 0.2, 0.25, 0.5, 0.75, 1],
    "ramp_down": [1, 0.8, 0.75, 0.5, 0.25, 0],
    "cosine": [1, 0.9045085, 0.8535534, 0.5, 0.1464466, 0],
    "step": [0.25, 0.25, 0.5, 0.75, 1, 1],
    "warm_up": [0, 1, 1, 1, 1, 1],
}
# with start 0.25 and end 0.75
BETWEEN: dict[str, list[float]] = {
    "constant": [0, 0, 1, 1, 1, 0],
    "window": [0, 0, 1, 1, 1, 0],
    "ramp_up": [0, 0, 0, 0.5, 1, 1],
    "ramp_down": [1, 1, 1, 0.5, 0, 0],
    "cosine": [1, 1, 1, 0.5, 0, 0],
    "step": [0.25, 0.25, 0.25, 0.75, 1, 1],
    "warm_up": [0, 0, 0, 0.5, 1, 1],
}
PROGRESS = (0.0, 0.2, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_table_of_shapes(shape: Any) -> None:
    assert [Schedule(shape)(t) for t in PROGRESS] == pytest.approx(TABLE[shape])
    assert [Schedule(shape, 0.25, 0.75)(t) for t in PROGRESS] == pytest.approx(BETWEEN[shape])


@pytest.mark.parametrize("shape", SHAPES)
def test_multipliers_stay_between_0_and_1(shape: Any) -> None:
    for start, end in ((None, None), (0.0, 0.01), (0.99, 1.0), (0.3, 0.6)):
        if start is None or shape not in ("window", "warm_up") or end is not None:
            values = [Schedule(shape, start, end)(i / 200) for i in range(201)]
            assert all(0 <= v <= 1 for v in values)
            assert max(values) == 1


def test_default_limits() -> None:
    assert Schedule().limits == (0.0, 1.0)
    assert Schedule("window").limits == (0.5, 1.0)
    assert Schedule("warm_up").limits == (0.0, 0.1)
    assert Schedule("warm_up")(0.05) == pytest.approx(0.5)
    assert Schedule("step", levels=2)(0.49) == 0.5


@pytest.mark.parametrize(("arguments", "rule"), [
    (("sawtooth",), "shape must be one of constant, .*sawtooth"),
    (("constant", 0.5, 0.5), r"0 <= start < end <= 1 .*start=0.5, end=0.5"),
    (("constant", -0.1, 0.5), "0 <= start < end <= 1"),
    (("constant", 0.1, 1.5), "0 <= start < end <= 1"),
    (("constant", math.nan, 1.0), "0 <= start < end <= 1"),
    (("warm_up", 0.5), r"start=0.5, end=0.1"),
    (("constant", "0", 1.0), "must be numbers"),
    (("step", 0.0, 1.0, 1), "2 <= levels <= 1000"),
    (("step", 0.0, 1.0, 10**400), "2 <= levels <= 1000"),
    (("step", 0.0, 1.0, 2.5), "whole number"),
])  # fmt: skip
def test_bad_schedules(arguments: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Schedule(*arguments)


def test_gates() -> None:
    assert [Gate()(epoch=0, update=u) for u in range(4)] == [True] * 4
    assert [Gate(3)(epoch=0, update=u) for u in range(7)] == [True, False, False, True, False, False, True]
    assert [Gate(2, "epoch")(epoch=e, update=1) for e in range(4)] == [True, False, True, False]
    assert Gate(2, "epoch")(epoch=2, update=17)


@pytest.mark.parametrize(("arguments", "rule"), [
    ((0,), "every must be a whole number >= 1"), ((-2,), "every"), ((1.5,), "every"), ((True,), "every"),
    ((2, "batch"), "unit must be epoch or update"),
])  # fmt: skip
def test_bad_gates(arguments: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Gate(*arguments)
