"""Groups of steps of which one acts on each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autonoise.errors import PolicyError
from autonoise.technique.registry import Technique
from autonoise.types import Stage


class Grouped(Protocol):
    """The part of a step that decides about its group."""

    @property
    def technique(self) -> Technique: ...
    @property
    def one_of(self) -> str: ...


def groups_of(steps: Sequence[Grouped]) -> dict[int, tuple[int, ...]]:
    """Position of each step that is in a group → the positions of all steps of that group."""
    members: dict[str, list[int]] = {}
    for index, step in enumerate(steps):
        if step.one_of:
            members.setdefault(step.one_of, []).append(index)
    return {index: tuple(group) for group in members.values() for index in group}


def check_groups(steps: Sequence[Grouped], clean_share: float) -> None:
    """Raise PolicyError for a group over several stages, and for rows that nobody could keep clean."""
    for index, group in groups_of(steps).items():
        stages = sorted({str(steps[i].technique.stage) for i in group})
        if len(stages) > 1:
            name = steps[index].one_of
            raise PolicyError(
                f"one_of: {name}: its steps act at the stages {' and '.join(stages)}, but a group needs one stage: "
                f"make a group for each"
            )
    stages_used = {s.technique.stage for s in steps}
    if clean_share and Stage.RAW in stages_used:
        raise PolicyError(
            "clean_share: noise on strings comes before the batch is known, so that no share of its rows can be kept "
            "clean: use the probability of the steps"
        )
