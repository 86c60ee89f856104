"""What a technique says of itself: parameters with ranges, cost, and a form in policy files that can be read again."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from autonoise.errors import PolicyError
from autonoise.policy import Policy, Step
from autonoise.technique.parameters import Choice, Range, parameters_of
from autonoise.technique.registry import Technique, get_technique
from autonoise.testing.promises import Promise, hold
from autonoise.types import DataType, Stage


def it_says_what_it_is(kind: type[Technique], data_type: DataType) -> None:
    """It can be found by its name, and says in a docstring what it does."""
    hold(get_technique(kind.name) is kind, f"the name {kind.name} belongs to another technique")
    written = (kind.__doc__ or "").strip()
    hold(written and not written.startswith(f"{kind.__name__}("), "it has no docstring: say what it does to the data")
    hold(kind.reference.strip(), "it has no reference: name the paper, the standard or yourself in @technique")
    hold(kind.version >= 1, f"version must be 1 or more, but is {kind.version}")
    hold(not set(kind.refused) & kind.data_types, "refused names a data type that data_types has")


def parameters_have_sensible_ranges(kind: type[Technique], data_type: DataType) -> None:
    """Each field is a parameter whose default and both ends of whose searched range are valid."""
    fields = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    plain = fields - set(parameters_of(kind))
    hold(not plain, f"the fields {', '.join(sorted(plain))} are no parameters: use ranged, whole, choice or text")
    made = kind()
    for name, parameter in parameters_of(kind).items():
        if isinstance(parameter, Range):
            ordered = parameter.minimum <= parameter.low < parameter.high <= parameter.maximum
            hold(ordered, f"{name}: minimum <= low < high <= maximum must hold for its range")
            hold(abs(parameter.high) < 1e6, f"{name}: high must be below a million; use another unit")
            hold(not parameter.log or parameter.low > 0, f"{name}: a log range needs low > 0")
            whole = isinstance(getattr(made, name), int) == parameter.integer
            hold(whole, f"{name}: the default of ranged is a float, that of whole an integer")
            kind(**{name: parameter.low})
            kind(**{name: parameter.high})
        elif isinstance(parameter, Choice):
            hold(len(set(parameter.options)) >= 2, f"{name}: a choice needs two options or more")


def wrong_values_are_refused(kind: type[Technique], data_type: DataType) -> None:
    """A value outside of its range raises PolicyError in one line that names technique and parameter."""
    for name, parameter in parameters_of(kind).items():
        wrong: list[Any] = [None, [1], {"a": 1}, True]
        if isinstance(parameter, Range):
            wrong += ["0.5", math.nan, math.inf, 10**400, parameter.minimum - 1]
            wrong += [] if parameter.maximum == math.inf else [parameter.maximum + 1]
            wrong += [parameter.low + 0.5] if parameter.integer else []
        elif isinstance(parameter, Choice):
            wrong += ["no such choice", ""]
        for value in wrong:
            said = _refusal(kind, name, value)
            right = said.startswith(f"{kind.name}: ") and name in said and "\n" not in said
            hold(right, f"{name}={value!r:.20} must be refused in one line that names {name}, but got {said!r}")


def _refusal(kind: type[Technique], name: str, value: Any) -> str:
    try:
        kind(**{name: value})
    except PolicyError as e:
        return str(e)
    return "no PolicyError"


def the_cost_is_told(kind: type[Technique], data_type: DataType) -> None:
    """``passes`` is 1 unless the technique trains the whole step otherwise or attacks, and 10 at most."""
    passes = kind().passes
    hold(1 <= passes <= 10, f"passes must be 1 to 10 forward-backward passes in a training step, but is {passes}")
    costly = kind.stage in (Stage.STEP, Stage.ADVERSARIAL)
    hold(costly or passes == 1, f"noise at the stage {kind.stage} costs no pass of its own, but passes is {passes}")


def a_policy_file_keeps_it(kind: type[Technique], data_type: DataType) -> None:
    """A policy that holds it is the same after it went through plain data, as in a file."""
    policy = Policy(data_type, (Step(kind(), probability=0.5, magnitude="uniform"),))
    again = Policy.from_dict(policy.to_dict())
    hold(again.hash == policy.hash, "a policy with it is another one after loading")


IDENTITY: tuple[Promise, ...] = (
    it_says_what_it_is,
    parameters_have_sensible_ranges,
    wrong_values_are_refused,
    the_cost_is_told,
    a_policy_file_keeps_it,
)
