"""What an attached policy does, in words."""

from __future__ import annotations

from collections.abc import Mapping

from autonoise.injector.attached import Attached
from autonoise.injector.depth import words
from autonoise.injector.in_model import LayerNoise

SHOWN = 6
"""The number of places in the model that are named for a step; further ones are only counted."""


def description(attached: Attached, layers: LayerNoise, places: Mapping[int, int]) -> str:
    """What acts where, one line per step. ``places``: by step inside the model, its number of places."""
    policy = attached.policy
    how = "no batch seen yet"
    if attached.explicit:
        how = "as described"
    elif attached.checked:
        how = "as the first batch looks"
    scale = attached.adapter.scale_words(attached.spec)
    lines = [f"{policy.name}: {policy.data_type}, {len(policy.steps)} steps, input {scale}, {how}"]
    for index, step in enumerate(policy.steps):
        points = layers.points.get(index, [])
        where = ", ".join(f"{p.name}:{p.where}" for p in points[:SHOWN]) or str(step.site or step.stage)
        more = f" and {len(points) - SHOWN} more" if len(points) > SHOWN else ""
        more += layers.taken(index) + words(step, places.get(index, 0))
        lines.append(f"  {step.name} [{step.stage}] p={step.probability:g} {step.schedule.shape} at {where}{more}")
    return "\n".join(lines)
