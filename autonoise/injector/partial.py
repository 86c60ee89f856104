"""A policy of which some steps cannot act in the model that it is attached to, and do nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from autonoise.technique.step import Step, Steps
from autonoise.types import Stage


@dataclass(frozen=True)
class Partial(Steps):
    """The steps of a policy at their own positions, which random numbers depend on; those ``skipped`` never act.

    ``hash`` stays that of the whole policy, so that a saved state fits again where all of its steps can act.
    """

    skipped: frozenset[int] = frozenset()

    @classmethod
    def of(cls, policy: Steps, skipped: Iterable[int]) -> Self:
        return cls(
            policy.data_type,
            policy.steps,
            policy.name,
            policy.input,
            policy.strength,
            frozenset(skipped),
            clean_share=policy.clean_share,
        )

    def at_stage(self, stage: Stage) -> list[tuple[int, Step]]:
        return [(i, step) for i, step in super().at_stage(stage) if i not in self.skipped]
