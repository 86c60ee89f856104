"""What steps cost in forward and backward passes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from autonoise.errors import PolicyError
from autonoise.technique.consistency import ConsistencyTechnique
from autonoise.technique.registry import Technique
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import Stage

SECOND_GRADIENT = "second_gradient"
"""Tag of techniques that do the whole forward and backward pass of an update a second time."""
COST_LIMIT = 16.0
"""Forward-backward passes in a training step. A policy that costs more is refused: it is taken for a mistake."""


class Acts(Protocol):
    """The part of a step that decides about its cost."""

    @property
    def technique(self) -> Technique: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def gate(self) -> Gate: ...


def passes_of(steps: Iterable[Acts]) -> float:
    """What a training step costs, in forward-backward passes, on average over schedules and gates; 1 = plain.

    A second gradient (SAM) repeats the extra passes of all other techniques of the step stage, but neither an attack
    nor the search of VAT and TRADES for a neighbour.
    """
    steps = tuple(steps)
    once = repeated = second = 0.0
    apart, mixed = views_apart(steps), any(s.technique.stage is Stage.PAIR for s in steps)
    for s in steps:
        extra = extra_passes(s, apart=apart, mixed=mixed)
        if s.technique.stage is not Stage.STEP:
            once += extra
        elif isinstance(s.technique, ConsistencyTechnique):
            search = max(s.technique.passes - s.technique.views, 0) * _share_of_time(s.schedule) / s.gate.every
            once += search
            repeated += extra - search
        elif SECOND_GRADIENT in s.technique.tags:
            second += extra
        else:
            repeated += extra
    return once + (1 + repeated) * (1 + second)


def check_cost(steps: Iterable[Acts]) -> None:
    """Raise PolicyError for steps that cost more than anybody can want."""
    # Each step counts by itself here, without what a second gradient repeats: that was added to ``passes`` later, and a
    # policy file that could be loaded once must load for ever.
    passes = 1 + sum(map(extra_passes, steps))
    if passes > COST_LIMIT:
        raise PolicyError(
            f"the policy costs {passes:.1f} passes a step, more than {COST_LIMIT:.0f}: use fewer attack steps, or a "
            f"gate such as every 4th update"
        )


def extra_passes(step: Acts, *, apart: bool = False, mixed: bool = False) -> float:
    """Passes that a step adds to a training step on average.

    ``apart``: clean views need a block of rows more; ``mixed``: the policy mixes rows in pairs, so that a technique
    that compares rows with their own labels runs them again unmixed.
    """
    technique = step.technique
    extra = max(technique.passes - 1, 0)
    extra += apart and isinstance(technique, ConsistencyTechnique) and technique.source == "clean"
    extra += mixed and getattr(technique, "needs_unmixed", False)
    return extra * _share_of_time(step.schedule) / step.gate.every


def views_apart(steps: Iterable[Acts]) -> bool:
    """Whether the noisy batch goes through the model beside the clean one and its views, since something else needs
    it: an attack, pairs, or a technique that needs the whole training step.
    """
    return any(
        s.technique.stage in (Stage.ADVERSARIAL, Stage.PAIR)
        or (s.technique.whole_step and SECOND_GRADIENT not in s.technique.tags)
        for s in steps
    )


@lru_cache(maxsize=4096)
def _share_of_time(schedule: Schedule) -> float:
    """Share of training, 0 to 1, in which a schedule is above 0; kept, since a search makes thousands of policies."""
    return sum(schedule(i / 100) > 0 for i in range(101)) / 101
