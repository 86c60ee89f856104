"""Whether a technique can change anything of such data, or anything that the model notices."""

from __future__ import annotations

from torch import nn

from autonoise.technique.registry import Technique
from autonoise.technique.step import Step, Steps
from autonoise.types import Family, InputSpec, Stage


def cannot_act(kind: type[Technique], spec: InputSpec, model: nn.Module | None = None) -> str:
    """Why a technique changes nothing of such data, or nothing that the model notices; empty where it may act."""
    for module in model.modules() if model is not None else ():
        invariant: frozenset[Family] = getattr(module, "invariant_to", frozenset())
        if kind.stage is Stage.INPUT and kind.families <= invariant:
            return f"what {type(module).__name__} gives does not depend on {', '.join(sorted(kind.families))}"
    return kind.idle(spec)


def acting_steps(
    policy: Steps, spec: InputSpec, model: nn.Module | None = None
) -> tuple[tuple[Step, ...], dict[str, str]]:
    """(the steps that may act, technique → why it cannot act)."""
    reasons = {s.name: cannot_act(type(s.technique), spec, model) for s in policy.steps}
    return tuple(s for s in policy.steps if not reasons[s.name]), {k: why for k, why in reasons.items() if why}
