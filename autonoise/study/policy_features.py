"""Policies as vectors of numbers, so that a model can say which of them are alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from autonoise.policy import Policy, Step
from autonoise.technique.parameters import Range, parameters_of
from autonoise.technique.schedule import Schedule
from autonoise.types import Array

PER_TECHNIQUE = 4
"""Numbers that describe one technique of a policy; see :func:`features`."""
_MOMENTS = np.linspace(0.0125, 0.9875, 40)
"""Moments of a training at which a schedule is looked at to find its mean."""


def features(policies: Sequence[Policy], techniques: Sequence[str]) -> Array:
    """(N, 4 * T): for each technique, in the order of ``techniques``: does it act, how strongly, how often, how long.

    All four are 0 where the policy lacks the technique. Else the first is 1; the second is the mean place of its
    numbers in the ranges that a search tries, from -1 (lowest) to 1 (highest), halved towards -1 where the strength is
    drawn anew for each sample; the third is the probability, and the fourth the mean of the schedule, both from -1
    (never) to 1 (always). Techniques that are not listed are left out.
    """
    place = {name: i for i, name in enumerate(techniques)}
    out = np.zeros((len(policies), PER_TECHNIQUE * len(techniques)))
    for row, policy in zip(out, policies, strict=True):
        for step in policy.steps:
            if step.name in place:
                start = PER_TECHNIQUE * place[step.name]
                row[start : start + PER_TECHNIQUE] = _step_features(step)
    return out


def _step_features(step: Step) -> tuple[float, float, float, float]:
    kind: Any = type(step.technique)
    places = [_place(getattr(step.technique, n), r) for n, r in _ranges(kind).items()]
    strength = float(np.mean(places)) if places else 0.5
    if step.magnitude == "uniform":
        strength /= 2
    duty = _mean_of(step.schedule) / step.gate.every
    return 1.0, 2 * strength - 1, 2 * step.probability - 1, 2 * duty - 1


@lru_cache(maxsize=4096)
def _mean_of(schedule: Schedule) -> float:
    return float(np.mean([schedule(t) for t in _MOMENTS]))


@cache
def _ranges(technique: Any) -> dict[str, Range]:
    return {n: p for n, p in parameters_of(technique).items() if isinstance(p, Range)}


def _place(value: float, r: Range) -> float:
    """Where a number stands between the ends of its range, 0 to 1; outside of it the nearer end counts."""
    low, high = float(r.low), float(r.high)
    value = min(max(float(value), low), high)
    if r.log and low > 0:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low) if high > low else 0.5


def names_in(policies: Iterable[Policy]) -> list[str]:
    """All techniques of some policies, sorted."""
    return sorted({s.name for p in policies for s in p.steps})
