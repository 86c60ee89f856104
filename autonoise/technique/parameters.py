"""The parameters of techniques: fields of a dataclass that carry their range, scale and unit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autonoise.errors import did_you_mean

Number = float | int


@dataclass(frozen=True)
class Range:
    """The values that a numeric parameter may have.

    Attributes:
        low, high: the range that a search tries by default.
        log: whether a search draws on a logarithmic scale, for parameters that span orders of magnitude.
        unit: what one unit of the value is, in words for people.
        minimum, maximum: the smallest and largest valid value.
        integer: whether only whole numbers are valid.
    """

    low: Number
    high: Number
    log: bool = False
    unit: str = ""
    minimum: Number = -math.inf
    maximum: Number = math.inf
    integer: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise ValueError unless ``value`` is valid; the message gives the rule first and then the value."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} must be a number, but got {value!r:.60}")
        if self.integer and not isinstance(value, int):
            raise ValueError(f"{name} must be a whole number, but got {value!r:.60}")
        # the limit of 1e300 also refuses infinity, and leaves room to compute with the value
        if abs(value) > 1e300 or not self.minimum <= value <= self.maximum:
            raise ValueError(f"{self.minimum:g} <= {name} <= {self.maximum:g} must hold, but got {value!r:.60}")


def hint(value: object, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` for the end of an error message, or nothing if no known word is similar."""
    found = did_you_mean(value, known)
    return f"; {found}" if found else ""


@dataclass(frozen=True)
class Choice:
    """A parameter whose value is one of a few words."""

    options: tuple[str, ...]

    def check(self, name: str, value: object) -> None:
        """Raise ValueError unless ``value`` is one of the words; the message suggests the most similar one."""
        if value not in self.options:
            known = ", ".join(map(str, self.options))
            raise ValueError(f"{name} must be one of {known}, but got {value!r:.60}{hint(value, self.options)}")


@dataclass(frozen=True)
class Text:
    """A parameter that may be any string, such as the path of a folder of clips."""

    def check(self, name: str, value: object) -> None:
        """Raise ValueError unless ``value`` is a string."""
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a string, but got {value!r:.60}")


Parameter = Range | Choice | Text


def ranged(
    low: float,
    high: float,
    *,
    default: float,
    log: bool = False,
    unit: str = "",
    minimum: float = 0.0,
    maximum: float = math.inf,
) -> Any:
    """Declare a float parameter: a search tries [low, high], and values in [minimum, maximum] are valid."""
    r = Range(low, high, log, unit, minimum, maximum)
    return dataclasses.field(default=default, metadata={"parameter": r})


def whole(low: int, high: int, *, default: int, unit: str = "", minimum: int = 1, maximum: float = math.inf) -> Any:
    """Declare a parameter that is a whole number, with the same limits as :func:`ranged`."""
    r = Range(low, high, False, unit, minimum, maximum, integer=True)
    return dataclasses.field(default=default, metadata={"parameter": r})


def choice(*options: str, default: str | None = None) -> Any:
    """Declare a parameter whose value is one of ``options``; the first is the default unless another is given."""
    return dataclasses.field(default=default or options[0], metadata={"parameter": Choice(options)})


def text(default: str = "") -> Any:
    """Declare a parameter that may be any string; a search never changes it."""
    return dataclasses.field(default=default, metadata={"parameter": Text()})


def parameters_of(cls: type) -> Mapping[str, Parameter]:
    """Return the parameters of a technique class by name, in the order of its fields."""
    return {f.name: f.metadata["parameter"] for f in dataclasses.fields(cls) if "parameter" in f.metadata}
