"""One searched parameter: its range in the file of a space, and how a trial draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from autonoise.errors import SpaceError
from autonoise.policy.policy import Policy
from autonoise.technique.parameters import Choice, Parameter, Range, Text, parameters_of
from autonoise.technique.registry import get_technique
from autonoise.technique.schedule import SHAPES
from autonoise.types import DataType

FORMAT = "autonoise-space/1"


TIMINGS = (*SHAPES, "late", "off_at_end", "every_2", "every_4", "every_2_epochs")
"""When a step acts, as a space may offer it: the shapes of a schedule; ``late`` and ``off_at_end``, which act after
or before a searched share of training; and three gates, which let every second or fourth update or epoch through.
"""
_LATE, _OFF = (0.2, 0.7), (0.7, 0.95)
"""Shares of training between which the beginning of ``late`` and the end of ``off_at_end`` are searched."""
_OF_STEPS: dict[str, Parameter] = {
    "probability": Range(0.25, 1.0, minimum=0.0, maximum=1.0),
    "schedule": Choice(TIMINGS),
    "magnitude": Choice(("fixed", "uniform")),
    "site": Text(),
}
"""What every step has beside the parameters of its technique, with what a search tries and what is valid."""
_DEFAULTS: dict[str, Any] = {
    "probability": [0.25, 1.0],
    "schedule": ["constant", "ramp_up", "late", "every_2", "off_at_end"],
    "magnitude": "fixed",
}
"""What is searched of a step where neither the technique's entry nor ``defaults`` of the space says otherwise."""


class Suggests(Protocol):
    """The part of an Optuna trial that a space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...
    def suggest_int(self, name: str, low: int, high: int) -> int: ...
    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


@dataclass(frozen=True)
class Dimension:
    """One searched number, from ``low`` to ``high``, or one of ``choices``; a single choice is a fixed value.

    ``log``: the number is drawn evenly on a logarithmic scale; ``integer``: it is a whole number.
    """

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False

    def suggest(self, trial: Suggests, name: str) -> Any:
        """The value that a trial draws for the parameter ``name``; a fixed value is not asked of the trial."""
        if len(self.choices) == 1:
            return self.choices[0]
        if self.choices:
            return trial.suggest_categorical(name, list(self.choices))
        if self.integer:
            return trial.suggest_int(name, int(self.low), int(self.high))
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def nearest(self, value: Any) -> Any:
        """The value of this dimension that is nearest to ``value``, which another search may have found."""
        if self.choices:
            if all(_is_number(v) for v in (value, *self.choices)):
                return min(self.choices, key=lambda c: abs(c - value))
            return value if value in self.choices else self.choices[0]
        clipped = min(max(value, self.low), self.high)
        return round(clipped) if self.integer else float(clipped)

    @property
    def searched(self) -> bool:
        """Whether a trial has more than one value to choose from."""
        return len(self.choices) != 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _described(d: Dimension) -> Any:
    return list(d.choices) if d.choices else {"low": d.low, "high": d.high, "log": d.log, "integer": d.integer}


def dimension_of(value: Any, key: str, parameter: Parameter, where: str) -> Dimension:
    """A checked dimension from its YAML: a value (fixed), [low, high] of numbers, or a list of choices.

    ``{low, high, log}`` and ``{choices}`` say the same where two numbers in a list would be ambiguous.
    """
    log, integer = (parameter.log, parameter.integer) if isinstance(parameter, Range) else (False, False)
    pair = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and isinstance(parameter, Range)
    if isinstance(value, dict):
        pair = {"low", "high"} <= set(value) <= {"low", "high", "log"} and isinstance(parameter, Range)
        if not pair and not (set(value) == {"choices"} and isinstance(value["choices"], list)):
            raise SpaceError(
                f"{where}: {key} must be a value, a list, {{low, high, log}} or {{choices}}, but got {value!r}"
            )
        log = bool(value.get("log", log))
        value = [value["low"], value["high"]] if pair else value["choices"]
    values = value if isinstance(value, list) else [value]
    if not values:
        raise SpaceError(f"{where}: {key}: an empty list offers nothing; give a value, [low, high] or choices")
    for v in values:
        try:
            parameter.check(key, v)
        except (ValueError, OverflowError) as e:
            raise SpaceError(f"{where}: {e}; correct the space") from None
    if not pair:
        return Dimension(choices=tuple(values))
    low, high = values
    if not low < high:
        raise SpaceError(f"{where}: {key}: low < high must hold, but got [{low}, {high}]; swap the two")
    if log and low <= 0:
        raise SpaceError(f"{where}: {key}: a log range needs low > 0, but got [{low}, {high}]")
    return Dimension(low=low, high=high, log=log, integer=integer)


def step_dimensions(
    name: str, given: Mapping[str, Any], defaults: Mapping[str, Any], where: str
) -> dict[str, Dimension]:
    """All dimensions of a technique in a space; what the YAML leaves out is searched over the technique's range."""
    kind = get_technique(name, where)
    parameters = parameters_of(kind)
    known = {*parameters, *_OF_STEPS}
    unknown = set(map(str, given)) - known
    if unknown:
        raise SpaceError(f"{where}: {name} has no {sorted(unknown)[0]!r}; it has {', '.join(sorted(known))}")
    out: dict[str, Dimension] = {}
    for key, parameter in parameters.items():
        if key in given:
            out[key] = dimension_of(given[key], f"{name}.{key}", parameter, where)
        elif isinstance(parameter, Range):
            out[key] = Dimension(low=parameter.low, high=parameter.high, log=parameter.log, integer=parameter.integer)
        elif isinstance(parameter, Choice):
            out[key] = Dimension(choices=parameter.options)
        else:
            out[key] = Dimension(choices=(kind.__dataclass_fields__[key].default,))  # type: ignore[attr-defined]
    for key, value in ({**_DEFAULTS, **defaults} | {k: v for k, v in given.items() if k in _OF_STEPS}).items():
        out[key] = dimension_of(value, f"{name}.{key}", _OF_STEPS[key], where)
    return out


def policy_in_space_file(values: Mapping[str, Any], data_type: DataType, where: str) -> Policy:
    """A seed or preset of a space file: ``{name, source, steps}``."""
    body = {
        "format": "autonoise-policy/1",
        "data_type": str(data_type),
        "name": str(values.get("name", "seed")),
        "steps": values.get("steps", []),
        "provenance": {"source": str(values.get("source", ""))},
    }
    return Policy.from_dict(body, where)
