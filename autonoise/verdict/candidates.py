"""Which of the policies that a search has tried are confirmed, and which of the confirmed ones is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from optuna.trial import FixedTrial

from autonoise.policy import Policy
from autonoise.study.gains import lower_bound
from autonoise.study.learned import Own, scale_of
from autonoise.study.session import Session
from autonoise.study.trial_record import TrialRecord
from autonoise.trials.guided import FLIPS, guide_of, own_of, promising, sizes_of
from autonoise.verdict.confirm import Standing, pick_candidates


def candidates(session: Session, trials: Sequence[TrialRecord], n: int) -> list[Policy]:
    """Up to ``n`` policies to confirm: those with the highest lower bound of their gain, and the one that scored best.

    ``trials``: completed ones, best score first; those without noise are no candidates.
    """
    if not _guided(session):
        return pick_candidates(trials, n)
    config = session.config
    guide = guide_of(config, session.space, session.task)
    own, records = own_of(session.study, guide, sizes_of(config, session.task))
    complete = {t.policy_hash: t.policy for t in trials if t.policy.steps}
    found = [p for p, _, _ in promising(records, own, guide) if p.hash in complete]
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
    config = session.config
    guide = guide_of(config, session.space, session.task)
    own, _ = own_of(session.study, guide, sizes_of(config, session.task))
    scale = scale_of(base.clean, base.noisy, config.noise_weight)
    raced = [s for s in others if s.policy.steps]
    rows = max(len(base.results[0].correct), 1)
    own = Own(
        own.policies + tuple(s.policy for s in raced),
        own.gains + tuple((s.score - base.score) / scale for s in raced),
        own.errors + tuple(math.sqrt(guide.seed_error**2 / len(s.results) + FLIPS / rows) / scale for s in raced),
    )
    bound = lower_bound(*guide.predict([s.policy for s in open_], own))
    return [open_[i] for i in np.argsort(-bound, kind="stable")]


def _guided(session: Session) -> bool:
    return session.config.engine == "autonoise" and session.config.objective == "score"
