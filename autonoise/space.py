"""Search spaces: which techniques, ranges and schedules a search may combine, from YAML to a Policy per trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from autonoise.errors import AutonoiseError, SpaceError
from autonoise.files import read_data
from autonoise.policy.format import policy_from_dict
from autonoise.policy.policy import Policy, Step, digest
from autonoise.ranges import Choice, Parameter, Range, Text, parameters_of
from autonoise.resources import resource_dir
from autonoise.schedule import SHAPES, Gate, Schedule
from autonoise.technique import get_technique
from autonoise.types import DataType, member

FORMAT = "autonoise-space/1"
TIMINGS = (*SHAPES, "late", "off_at_end", "every_2", "every_4", "every_2_epochs")
"""Schedules a space may offer: shapes, and two windows with a searched limit and three gates."""
_LATE, _OFF = (0.2, 0.7), (0.7, 0.95)
_OF_STEPS: dict[str, Parameter] = {
    "probability": Range(0.25, 1.0, minimum=0.0, maximum=1.0),
    "schedule": Choice(TIMINGS),
    "magnitude": Choice(("fixed", "uniform")),
    "site": Text(),
}
_SEARCHED_LIMITS = {"late": "late", "off_at_end": "off"}
_DEFAULTS: dict[str, Any] = {
    "probability": [0.25, 1.0],
    "schedule": ["constant", "ramp_up", "late", "every_2", "off_at_end"],
    "magnitude": "fixed",
}


class Suggests(Protocol):
    """The part of an Optuna trial that a space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...
    def suggest_int(self, name: str, low: int, high: int) -> int: ...
    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


@dataclass(frozen=True)
class Dimension:
    """One searched number or choice; a fixed value has ``choices`` of length one."""

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False

    def suggest(self, trial: Suggests, name: str) -> Any:
        if len(self.choices) == 1:
            return self.choices[0]
        if self.choices:
            return trial.suggest_categorical(name, list(self.choices))
        if self.integer:
            return trial.suggest_int(name, int(self.low), int(self.high))
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def nearest(self, value: Any) -> Any:
        """The value of this dimension nearest to one from elsewhere."""
        if self.choices:
            if all(_is_number(v) for v in (value, *self.choices)):
                return min(self.choices, key=lambda c: abs(c - value))
            return value if value in self.choices else self.choices[0]
        clipped = min(max(value, self.low), self.high)
        return round(clipped) if self.integer else float(clipped)

    @property
    def searched(self) -> bool:
        return len(self.choices) != 1


@dataclass(frozen=True)
class SearchSpace:
    """Techniques with their dimensions; ``suggest(trial)`` turns an Optuna trial into a Policy.

    Techniques of one stage act in the order in which the space lists them.
    Each technique has a switch ``use.<name>``. A random trial should switch on ``expected_techniques`` of them
    (:attr:`prior`); at most ``max_techniques`` stay, those with the highest ``rank.<name>``.

    Example:
        >>> space = SearchSpace.load("image")
        >>> policy = space.suggest(trial)  # inside any objective
    """

    data_type: DataType
    techniques: Mapping[str, Mapping[str, Dimension]]
    max_techniques: int = 4
    expected_techniques: float = 3.0
    seeds: tuple[Policy, ...] = ()
    presets: tuple[Policy, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    label_noise_techniques: Mapping[str, Mapping[str, Dimension]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_type", member(DataType, self.data_type, "data type"))

    @classmethod
    def load(cls, name_or_path: str | Path) -> SearchSpace:
        """A shipped space by its data type's name, or a YAML file. Raises SpaceError with place and remedy."""
        text = str(name_or_path)
        shipped = resource_dir("search_spaces") / f"{text}.yaml"
        path = shipped if text.isidentifier() and shipped.is_file() else Path(text)
        return cls.from_dict(read_data(path, SpaceError, "search space"), str(path.name if path is shipped else path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "search space") -> SearchSpace:
        from autonoise.space_file import read_space

        return read_space(values, where)

    def for_label_noise(self) -> SearchSpace:
        """The space to search when training labels are known to be wrong: with its ``with_label_noise`` techniques."""
        if not self.label_noise_techniques:
            return self
        source = dict(self.source)
        extra = source.pop("with_label_noise", None) or {}
        source["techniques"] = {**source.get("techniques", {}), **extra}
        techniques = {**self.techniques, **self.label_noise_techniques}
        return dataclasses.replace(self, techniques=techniques, source=source, label_noise_techniques={})

    @property
    def prior(self) -> float:
        """Probability that a random trial switches a technique on."""
        return min(self.expected_techniques / max(len(self.techniques), 1), 1.0)

    @property
    def hash(self) -> str:
        """Digest of what is searched; a study refuses to go on with another one."""
        return digest(self.describe())[:12]

    def describe(self) -> dict[str, Any]:
        """Everything that is searched, as plain data."""
        listed = {
            name: {key: _described(d) for key, d in dims.items()} for name, dims in sorted(self.techniques.items())
        }
        return {"data_type": str(self.data_type), "max_techniques": self.max_techniques,
                "expected_techniques": self.expected_techniques, "order": list(self.techniques), "techniques": listed}

    def suggest(self, trial: Suggests) -> Policy:
        """The policy of a trial; contradicting techniques are dropped, lowest rank first.

        On an Optuna trial the policy is kept in the attribute ``autonoise.policy`` for ``Policy.from_trial``.
        """
        on = [n for n in self.techniques if trial.suggest_categorical(f"use.{n}", [False, True])]
        if len(on) > self.max_techniques:
            ranks = {n: trial.suggest_float(f"rank.{n}", 0.0, 1.0) for n in on}
            on = sorted(on, key=lambda n: (-ranks[n], n))[: self.max_techniques]
        policy = Policy(self.data_type)
        for name in on:
            try:
                policy = dataclasses.replace(policy, steps=(*policy.steps, self._step(trial, name)))
            except AutonoiseError:
                continue
        # ranks say what stays, not what acts first
        place = {name: i for i, name in enumerate(self.techniques)}
        policy = dataclasses.replace(policy, steps=tuple(sorted(policy.steps, key=lambda s: place[s.name])))
        policy = dataclasses.replace(policy, name=f"{self.data_type}-{policy.hash}")
        keep = getattr(trial, "set_user_attr", None)
        if keep is not None:
            keep("autonoise.policy", policy.to_dict())
        return policy

    def _step(self, trial: Suggests, name: str) -> Step:
        values = {key: d.suggest(trial, f"{name}.{key}") for key, d in self.techniques[name].items()}
        timing = values.pop("schedule")
        schedule, gate = Schedule(), Gate()
        if timing == "late":
            schedule = Schedule("window", start=trial.suggest_float(f"{name}.late", *_LATE))
        elif timing == "off_at_end":
            schedule = Schedule("constant", end=trial.suggest_float(f"{name}.off", *_OFF))
        elif timing == "every_2_epochs":
            gate = Gate(2, "epoch")
        elif timing.startswith("every_"):
            gate = Gate(int(timing.removeprefix("every_")))
        else:
            schedule = Schedule(timing)
        probability, magnitude = values.pop("probability"), values.pop("magnitude")
        site = values.pop("site", "")
        return Step(get_technique(name)(**values), probability, schedule, gate, site, magnitude)

    def parameters_of(self, policy: Policy) -> dict[str, Any]:
        """The trial parameters that give ``policy``, or the nearest the space allows; steps it lacks are left out."""
        steps = {s.name: s for s in policy.steps if s.name in self.techniques}
        names = list(steps)[: self.max_techniques]
        out: dict[str, Any] = {f"use.{n}": n in names for n in self.techniques}
        for name in names:
            step, dims = steps[name], self.techniques[name]
            values = {**step.technique.parameters(), "probability": step.probability, "magnitude": step.magnitude,
                      "site": step.site}
            out |= {f"{name}.{k}": d.nearest(values[k]) for k, d in dims.items() if d.searched and k != "schedule"}
            chosen, limit = _timing(step, dims["schedule"].choices)
            if dims["schedule"].searched:
                out[f"{name}.schedule"] = chosen
            if chosen in _SEARCHED_LIMITS:
                out[f"{name}.{_SEARCHED_LIMITS[chosen]}"] = limit
        return out


def _timing(step: Step, offered: tuple[str, ...]) -> tuple[str, float]:
    """The schedule among those offered that is nearest to a step's, and its limit where that is searched."""
    shape, (start, end) = step.schedule.shape, step.schedule.limits
    if step.gate.every > 1:
        found = f"every_{step.gate.every}{'_epochs' if step.gate.unit == 'epoch' else ''}"
    elif shape == "window" and step.schedule.start is None and "window" in offered:
        found = "window"
    elif shape in ("constant", "window"):
        found = "late" if start > 0 else "off_at_end" if end < 1 else "constant"
    else:
        found = shape
    chosen = found if found in offered else offered[0]
    limit = start if chosen == "late" else end
    low, high = _LATE if chosen == "late" else _OFF
    return chosen, min(max(limit, low), high)


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
    body = {"format": "autonoise-policy/1", "data_type": str(data_type), "name": str(values.get("name", "seed")),
            "steps": values.get("steps", []), "provenance": {"source": str(values.get("source", ""))}}
    return policy_from_dict(body, where)
