"""Parameters: what is searched, what is valid, and what is said about the rest."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from autonoise.errors import PolicyError
from autonoise.technique.parameters import Choice, Range, Text, choice, parameters_of, ranged, text, whole
from autonoise.technique.registry import get_technique
from autonoise.technique.stages import InputNoise


@dataclasses.dataclass
class Sample:
    std: float = ranged(0.1, 0.5, default=0.2, log=True, unit="std", maximum=2.0)
    steps: int = whole(1, 4, default=2, unit="steps")
    fill: str = choice("mean", "zeros")
    clips: str = text()
    other: int = 3


def test_parameters_of_a_class() -> None:
    found = parameters_of(Sample)
    assert list(found) == ["std", "steps", "fill", "clips"]
    assert found["std"] == Range(0.1, 0.5, True, "std", 0.0, 2.0)
    assert found["steps"] == Range(1, 4, False, "steps", 1, math.inf, integer=True)
    assert found["fill"] == Choice(("mean", "zeros"))
    assert found["clips"] == Text()
    assert (Sample().std, Sample().steps, Sample().fill, Sample().clips) == (0.2, 2, "mean", "")


@pytest.mark.parametrize("value", [0.0, 2.0, 1, 0.123])
def test_valid_beyond_what_is_searched(value: float) -> None:
    parameters_of(Sample)["std"].check("std", value)


@pytest.mark.parametrize(("name", "value", "rule"), [
    ("std", 2.5, r"0 <= std <= 2 must hold, but got 2.5"),
    ("std", -0.1, r"0 <= std <= 2 must hold"),
    ("std", math.nan, "must hold, but got nan"),
    ("std", math.inf, "must hold, but got inf"),
    ("std", 10**400, "must hold"),
    ("std", "0.2", "std must be a number, but got '0.2'"),
    ("std", True, "std must be a number"),
    ("steps", 0, "1 <= steps <= inf"),
    ("steps", 2.0, "steps must be a whole number"),
    ("fill", "Mean", "fill must be one of mean, zeros, but got 'Mean'"),
    ("clips", 3, "clips must be a string, but got 3"),
])  # fmt: skip
def test_bad_values(name: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parameters_of(Sample)[name].check(name, value)


def test_whole_numbers_become_floats_where_floats_are_meant() -> None:
    made = get_technique("gaussian_noise")(std=1)
    assert isinstance(made.std, float)  # type: ignore[attr-defined]
    assert made == get_technique("gaussian_noise")(std=1.0)
    with pytest.raises(PolicyError, match="gaussian_noise: std must be a number, but got True"):
        get_technique("gaussian_noise")(std=True)


def test_reserved_names_cannot_be_parameters() -> None:
    from autonoise.technique.registry import technique
    from autonoise.types import Family

    with pytest.raises(TypeError, match="'schedule' is a key of policy steps"):

        @technique(data_types={"image"}, family=Family.BLUR)
        class ReservedForTest(InputNoise):
            schedule: float = ranged(0.1, 1.0, default=0.5)
