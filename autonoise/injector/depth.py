"""How many places a step has in a model, and its strength where the searched model had another number of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import nn

from autonoise.types import Stage

if TYPE_CHECKING:
    from autonoise.policy.policy import Policy
    from autonoise.technique.step import Step

INSIDE = (Stage.ACTIVATION, Stage.EMBEDDING, Stage.WEIGHT)
"""Stages whose steps act at each of their places in every pass."""


def spread(step: Step, places: int) -> Step:
    """The step as it acts at so many places: the sum of its noise over them is that of the search."""
    if step.sites < 1 or places < 1 or places == step.sites:
        return step
    return replace(step, technique=step.technique.spread(step.sites / places), sites=places)


def counted(policy: Policy, model: nn.Module, **attach: Any) -> Policy:
    """The policy with each step's number of places in ``model``, on which it was searched."""
    if not any(s.stage in INSIDE for s in policy.steps):
        return policy
    with policy.attach(model, epochs=1, steps_per_epoch=1, allow_partial=True, **attach) as injector:
        places = injector.places
    steps = [spread(s, places.get(i, 0)) for i, s in enumerate(policy.steps)]
    return replace(policy, steps=tuple(replace(s, sites=places.get(i, 0)) for i, s in enumerate(steps)))


def words(step: Step, places: int) -> str:
    """What :func:`spread` changes, for people."""
    new = spread(step, places).technique.parameters()
    moved = [f"{k} {v:g} -> {new[k]:.3g}" for k, v in step.technique.parameters().items() if v != new[k]]
    return f", {places} places instead of {step.sites} in the search: {', '.join(moved)}" if moved else ""
