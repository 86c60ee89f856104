"""Which of the policies that a search has tried are confirmed, and which of the confirmed ones is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FixedTrial

from autonoise.policy import Policy
from autonoise.study.learned import Own, scale_of
from autonoise.study.session import Session
from autonoise.study.trial_record import TrialRecord
from autonoise.trials.guided import FLIPS, guide_of, own_of, promising, sizes_of
from autonoise.verdict.confirm import Standing, pick_candidates

Ranked = list[tuple[Policy, float, float]]


@dataclass(frozen=True)
class Raced:
    """What further trainings of a policy brought, beyond its trial: their mixed scores, and the rows they rest on."""

    policy: Policy
    scores: tuple[float, ...]
    rows: int


def promise(session: Session, raced: Sequence[Raced] = (), base: float = 0.0, scale: float = 1.0) -> Ranked:
    """(policy, mean, standard deviation) of the gains of all that was tried, the highest lower bound first.

    They rest on the search's trials, on what other data say, and on ``raced`` policies, among which the one without
    noise has the mixed score ``base``; ``scale`` is the gain in score that counts as 1.
    """
    config = session.config
    guide = guide_of(config, session.space, session.task)
    own, records = own_of(session.study, guide, sizes_of(config, session.task))
    own = Own(
        own.policies + tuple(r.policy for r in raced),
        own.gains + tuple((float(np.mean(r.scores)) - base) / scale for r in raced),
        own.errors + tuple(math.sqrt(guide.seed_error**2 / len(r.scores) + FLIPS / r.rows) / scale for r in raced),
    )
    return list({p.hash: (p, mean, sd) for p, mean, sd in promising(records, own, guide)}.values())


def candidates(session: Session, trials: Sequence[TrialRecord], n: int) -> list[Policy]:
    """Up to ``n`` policies to confirm: those with the highest lower bound of their gain, and the one that scored best.

    ``trials``: completed ones, best score first; those without noise are no candidates.
    """
    if not _guided(session):
        return pick_candidates(trials, n)
    complete = {t.policy_hash: t.policy for t in trials if t.policy.steps}
    found = [p for p, _, _ in promise(session) if p.hash in complete]
    best = list(complete.values())[:1]
    chosen = {p.hash: p for p in [*found[: max(n - 1, 1)], *best, *found]}
    return list(chosen.values())[:n]


def starts(session: Session) -> list[Policy]:
    """The policies that the search began with beside the presets: the learned portfolio, and those of the space.

    A policy of the portfolio that the space does not allow as it is comes as the nearest one that it allows.
    """
    space = session.space
    if not _guided(session):
        return list(space.seeds)
    portfolio = guide_of(session.config, space, session.task).learned.portfolio
    near = [(p, space.suggest(FixedTrial(space.parameters_of(p)))) for p in portfolio]
    named = [Policy(p.data_type, p.steps, name=given.name, strength=p.strength) for given, p in near if p.steps]
    return list({p.hash: p for p in [*named, *space.seeds]}.values())


def by_promise(session: Session, standings: Sequence[Standing]) -> list[Standing]:
    """The standings of the last round of the race, the highest lower bound of the gain first.

    Where none of them came that far, all others are there. The bound rests on the race, on the search's own trials and
    on what other data say. So a policy that had luck on the few confirm rows stands behind one that all three speak
    for. Elsewhere the order is that of the scores.
    """
    last = max((len(s.results) for s in standings), default=0)
    others = [s for s in standings if s.role != "baseline"]
    open_ = [s for s in others if len(s.results) == last] or others
    base = next((s for s in standings if s.role == "baseline"), None)
    if not _guided(session) or base is None or len(open_) < 2:
        return open_
    scale = scale_of(base.clean, base.noisy, session.config.noise_weight)
    # trainings take the folds in turn, and hardly a confirm row is in two of them
    rows = max(sum(len(r.correct) for r in base.results[: session.task.folds]), 1)
    raced = [Raced(s.policy, (s.score,) * len(s.results), rows) for s in others if s.policy.steps]
    place = {p.hash: i for i, (p, _, _) in enumerate(promise(session, raced, base.score, scale))}
    return sorted(open_, key=lambda s: place.get(s.policy.hash, len(place)))


def _guided(session: Session) -> bool:
    return session.config.engine == "autonoise" and session.config.objective == "score"
