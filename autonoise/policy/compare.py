"""What two policies do otherwise: steps that one alone has, parameters, timing and places that differ, verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autonoise.policy.policy import Policy
from autonoise.technique import words
from autonoise.technique.parameters import parameters_of
from autonoise.technique.schedule import Schedule
from autonoise.technique.step import Step

_SHOWN = 6
"""Entries of a list (means of columns, say) that are written out; of a longer one these and how many there are."""


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    ``step``: the technique's name, empty for what is of the whole policy; ``what``: a parameter, or ``schedule``,
    ``gate``, ``probability``, ``data_type`` ...; ``first``, ``second``: the values, in words where they are more than a
    number or a word; ``unit``: of a parameter, in words.
    """

    step: str
    what: str
    first: Any
    second: Any
    unit: str = ""


@dataclass(frozen=True)
class Comparison:
    """Steps that one of two policies alone has, and what differs in the others and in the whole."""

    only_first: tuple[Step, ...]
    only_second: tuple[Step, ...]
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether both train the same, on inputs described alike, with the same verdict."""
        return not (self.only_first or self.only_second or self.differences)


def compare(first: Policy, second: Policy) -> Comparison:
    """Compare two policies; their names, where they come from and their further scores do not count.

    A step of one belongs to the step of the other with the same technique, and with the same site where a technique
    stands there several times. Numbers that are the same in a policy file count as the same.
    """
    pairs = _pairs(first, second)
    taken = [{id(pair[side]) for pair in pairs} for side in (0, 1)]
    only = [tuple(s for s in p.steps if id(s) not in known) for p, known in zip((first, second), taken, strict=True)]
    order = {id(step): i for i, step in enumerate(second.steps)}
    theirs = sorted((b for _, b in pairs), key=lambda step: order[id(step)])
    found = [
        *_of_the_whole(first, second),
        # steps of a stage act one after the other, so that their order means something
        *_unequal("", "order", ", ".join(a.name for a, _ in pairs), ", ".join(b.name for b in theirs)),
    ]
    for a, b in pairs:
        found += _of_a_step(a, b)
    return Comparison(only[0], only[1], tuple(found))


def _pairs(first: Policy, second: Policy) -> list[tuple[Step, Step]]:
    """Steps that belong together, in the order of the first policy."""
    left = list(second.steps)
    found: dict[int, Step] = {}
    for same_site in (True, False):
        for i, a in enumerate(first.steps):
            b = next((s for s in left if s.name == a.name and (s.site == a.site or not same_site)), None)
            if i not in found and b is not None:
                found[i] = b
                left = [s for s in left if s is not b]
    return [(a, found[i]) for i, a in enumerate(first.steps) if i in found]


def _of_the_whole(first: Policy, second: Policy) -> Iterator[Difference]:
    yield from _unequal("", "data_type", str(first.data_type), str(second.data_type))
    yield from _unequal("", "strength", _rounded(first.strength), _rounded(second.strength))
    yield from _unequal("", "clean_share", _rounded(first.clean_share), _rounded(second.clean_share))
    inputs = [{} if p.input is None else p.input.to_dict() for p in (first, second)]
    if bool(inputs[0]) != bool(inputs[1]):
        yield Difference("", "input", *("described" if given else "not described" for given in inputs))
    else:
        for key in dict.fromkeys((*inputs[0], *inputs[1])):
            if _rounded(inputs[0].get(key)) != _rounded(inputs[1].get(key)):
                yield Difference("", f"input {key}", *(_short(given.get(key)) for given in inputs))
    yield from _unequal("", "verdict", first.judged.sentence or "none", second.judged.sentence or "none")


def _of_a_step(a: Step, b: Step) -> Iterator[Difference]:
    units = {key: getattr(p, "unit", "") for key, p in parameters_of(type(a.technique)).items()}
    theirs = b.technique.parameters()
    for key, value in a.technique.parameters().items():
        yield from _unequal(a.name, key, _rounded(value), _rounded(theirs[key]), units[key])
    yield from _unequal(a.name, "probability", _rounded(a.probability), _rounded(b.probability))
    yield from _unequal(a.name, "magnitude", a.magnitude, b.magnitude)
    if _timing(a.schedule) != _timing(b.schedule):
        told = [words.when(s.schedule) for s in (a, b)]
        if told[0] == told[1]:  # the percents are rounded
            told = ["{} from {:g} to {:g}".format(s.schedule.shape, *_timing(s.schedule)[1:3]) for s in (a, b)]
        yield Difference(a.name, "schedule", *told)
    yield from _unequal(a.name, "gate", *(words.gate_in_words(s.gate).lstrip(", ") or "always" for s in (a, b)))
    yield from _unequal(a.name, "one_of", a.one_of or "no group", b.one_of or "no group")
    yield from _unequal(a.name, "site", words.where(a), words.where(b))
    yield from _unequal(a.name, "sites", a.sites or "unknown", b.sites or "unknown", "places in the search")


def _timing(schedule: Schedule) -> tuple[str, float, float, int]:
    """What decides about the strength over training: a window and a constant between the same limits are the same."""
    start, end = (_rounded(limit) for limit in schedule.limits)
    shape = "constant" if schedule.shape == "window" else str(schedule.shape)
    return shape, start, end, schedule.levels if shape == "step" else 0


def _unequal(step: str, what: str, first: Any, second: Any, unit: str = "") -> Iterator[Difference]:
    if first != second:
        yield Difference(step, what, first, second, unit)


def _rounded(value: Any) -> Any:
    """A number as it stands in a policy file, with six significant digits; lists of numbers alike."""
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _short(value: Any) -> Any:
    """A value of the input's description, written out if it is not long."""
    if not isinstance(value, list):
        return "none" if value is None else _rounded(value)
    shown = ", ".join(str(_short(v)) for v in value[:_SHOWN])
    return f"[{shown}]" if len(value) <= _SHOWN else f"[{shown} ... {len(value)} in all]"
