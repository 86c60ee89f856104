"""What one technique adds to the cost of a training step, in forward-backward passes."""

from __future__ import annotations

from autonoise.technique.registry import Technique
from autonoise.technique.schedule import Gate, Schedule


def views_of_technique(technique: Technique) -> int:
    """The number of noisy draws of a batch that go through the model together with the clean one; 0 for most."""
    return int(getattr(technique, "views", 0))


def extra_passes(
    technique: Technique, schedule: Schedule, gate: Gate, *, apart: bool = False, mixed: bool = False
) -> float:
    """Passes that a technique adds to a training step, on average over its schedule and its gate.

    ``apart``: views need a pass of their own; ``mixed``: the policy mixes rows in pairs, so that a technique that
    compares rows with their own labels runs them again unmixed.
    """
    extra = max(technique.passes - 1, 0)
    extra += apart and views_of_technique(technique) > 0
    extra += mixed and getattr(technique, "needs_unmixed", False)
    return extra * _share_of_time(schedule) / gate.every


def _share_of_time(schedule: Schedule) -> float:
    """Share of training, 0 to 1, in which a schedule is above 0."""
    return sum(schedule(i / 100) > 0 for i in range(101)) / 101
