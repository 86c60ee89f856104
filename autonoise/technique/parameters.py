"""Parameters of techniques: dataclass fields that carry their range, scale and unit."""

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
    """What a parameter may be.

    ``low`` and ``high`` bound what a search tries by default; ``minimum`` and ``maximum`` what is valid at all.
    """

    low: Number
    high: Number
    log: bool = False
    unit: str = ""
    minimum: Number = -math.inf
    maximum: Number = math.inf
    integer: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise ValueError with the rule, then the value."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} must be a number, but got {value!r:.60}")
        if self.integer and not isinstance(value, int):
            raise ValueError(f"{name} must be a whole number, but got {value!r:.60}")
        if abs(value) > 1e300 or not self.minimum <= value <= self.maximum:
            raise ValueError(f"{self.minimum:g} <= {name} <= {self.maximum:g} must hold, but got {value!r:.60}")


def hint(value: object, known: Iterable[str]) -> str:
    """``; did you mean ...?`` for the end of a refusal, or nothing."""
    found = did_you_mean(value, known)
    return f"; {found}" if found else ""


@dataclass(frozen=True)
class Choice:
    """A parameter with named values."""

    options: tuple[str, ...]

    def check(self, name: str, value: object) -> None:
        if value not in self.options:
            known = ", ".join(map(str, self.options))
            raise ValueError(f"{name} must be one of {known}, but got {value!r:.60}{hint(value, self.options)}")


@dataclass(frozen=True)
class Text:
    """A free string, such as the path of a folder of clips."""

    def check(self, name: str, value: object) -> None:
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
    """A float parameter: searched in [low, high], valid in [minimum, maximum]."""
    r = Range(low, high, log, unit, minimum, maximum)
    return dataclasses.field(default=default, metadata={"parameter": r})


def whole(low: int, high: int, *, default: int, unit: str = "", minimum: int = 1, maximum: float = math.inf) -> Any:
    """An integer parameter."""
    r = Range(low, high, False, unit, minimum, maximum, integer=True)
    return dataclasses.field(default=default, metadata={"parameter": r})


def choice(*options: str, default: str | None = None) -> Any:
    """A parameter with named values; the first is the default unless said otherwise."""
    return dataclasses.field(default=default or options[0], metadata={"parameter": Choice(options)})


def text(default: str = "") -> Any:
    """A free string parameter; never searched."""
    return dataclasses.field(default=default, metadata={"parameter": Text()})


def parameters_of(cls: type) -> Mapping[str, Parameter]:
    """The parameters of a technique class, in the order of its fields."""
    return {f.name: f.metadata["parameter"] for f in dataclasses.fields(cls) if "parameter" in f.metadata}
