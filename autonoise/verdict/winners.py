"""Several winners from one study: the Pareto front of clean accuracy, noisy accuracy and cost."""

from __future__ import annotations

from collections.abc import Sequence

from autonoise.policy import Policy
from autonoise.study.result import FrontResult
from autonoise.study.trial_record import TrialRecord
from autonoise.verdict.confirm import Standing

CHEAP = 1.1
"""Passes per training step up to which a policy counts as cheap; training without noise has 1."""


def front(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The Pareto front: no other trial is as good in clean accuracy, noisy accuracy and passes, and better in one."""
    points = [(_point(t), t) for t in trials]
    return [t for p, t in points if not any(_dominates(q, p) for q, _ in points)]


def _point(trial: TrialRecord) -> tuple[float, float, float]:
    return trial.clean, trial.noisy, -trial.passes


def _dominates(a: tuple[float, float, float], b: tuple[float, float, float]) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True)) and a != b


def front_table(trials: Sequence[TrialRecord]) -> tuple[FrontResult, ...]:
    """The front as it stands in the result."""
    return tuple(FrontResult(t.number, t.clean, t.noisy, t.passes, t.techniques) for t in front(trials))


def named_winners(standings: Sequence[Standing], chosen: Policy) -> dict[str, tuple[Policy, Standing | None]]:
    """One policy for each wish, with its standing where it was confirmed.

    ``balanced`` is the chosen policy; ``robust`` has the best noisy accuracy; ``cheap`` has at most ``CHEAP`` passes
    per training step and, among those whose score is at most 0.005 below the best of these, the fewest techniques.
    """
    found = [s for s in standings if s.role != "baseline" and s.policy.steps]
    by_hash = {s.policy.hash: s for s in found}
    winners: dict[str, tuple[Policy, Standing | None]] = {"balanced": (chosen, by_hash.get(chosen.hash))}
    if not found:
        return winners
    robust = max(found, key=lambda s: s.noisy)
    winners["robust"] = (robust.policy, robust)
    cheap = [s for s in found if s.policy.passes <= CHEAP] or [min(found, key=lambda s: s.policy.passes)]
    best = max(s.score for s in cheap)
    near = [s for s in cheap if s.score >= best - 0.005]
    least = min(near, key=lambda s: (len(s.policy.steps), -s.score))
    winners["cheap"] = (least.policy, least)
    return winners
