"""What a technique went along with in the trials of a search: the marginal gain of being on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import TrialState

from autonoise.study.trial_record import TrialRecord

FEWEST = 3
"""Different policies with a technique, and without it, that an interval needs at least."""


@dataclass(frozen=True)
class Gain:
    """Mean score of the trials with a technique minus that of those without it, with its 95 % interval.

    ``on``, ``off``: how many trials there are of each. ``short``: scores are those of the short training.
    """

    technique: str
    mean: float
    low: float
    high: float
    on: int
    off: int
    short: bool


def gains(records: Sequence[TrialRecord]) -> list[Gain]:
    """The gain of each technique that enough trials have and lack; each policy counts once.

    Where trials begin with a short training, its scores are compared: every trial has one, also those that were given
    up after it, so that nothing was selected by them. The interval is Welch's (Biometrika 34, 1947), which lets the
    two sides differ in spread.
    """
    from scipy import stats

    first: dict[str, TrialRecord] = {}
    for r in records:
        if r.has_policy and r.state in (TrialState.COMPLETE, TrialState.PRUNED):
            first.setdefault(r.policy_hash, r)
    tried = list(first.values())
    short = any(r.trial.intermediate_values for r in tried)
    values = {r.number: next(iter(r.trial.intermediate_values.values()), math.nan) if short else r.score for r in tried}
    known = [r for r in tried if math.isfinite(values[r.number])]
    found = []
    for name in sorted({t for r in known for t in r.techniques}):
        on = np.array([values[r.number] for r in known if name in r.techniques])
        off = np.array([values[r.number] for r in known if name not in r.techniques])
        if min(len(on), len(off)) < FEWEST or np.ptp(on) + np.ptp(off) == 0:
            continue
        between = stats.ttest_ind(on, off, equal_var=False).confidence_interval(0.95)
        mean = float(on.mean() - off.mean())
        found.append(Gain(name, mean, float(between.low), float(between.high), len(on), len(off), short))
    return found
