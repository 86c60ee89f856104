"""How many places in a model each step of a policy has, counted on the model that the policy was searched with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from autonoise.injector.depth import spread
from autonoise.policy.policy import Policy
from autonoise.types import Stage

INSIDE = (Stage.ACTIVATION, Stage.EMBEDDING, Stage.WEIGHT)
"""Stages whose steps act at each of their places in every pass."""


def counted(policy: Policy, model: nn.Module, **attach: Any) -> Policy:
    """The policy with ``sites`` of each step set to its number of places in ``model``.

    Whoever trains a model with another number of places then gets the same noise in sum (``injector/depth.py``). A
    step that was counted on another model before keeps its noise, now written for the places of this one.

    ``attach``: further arguments of :meth:`Policy.attach`.
    """
    if not any(s.stage in INSIDE for s in policy.steps):
        return policy
    with policy.attach(model, epochs=1, steps_per_epoch=1, allow_partial=True, **attach) as injector:
        places = injector.places
    steps = [spread(s, places.get(i, 0)) for i, s in enumerate(policy.steps)]
    return replace(policy, steps=tuple(replace(s, sites=places.get(i, 0)) for i, s in enumerate(steps)))
