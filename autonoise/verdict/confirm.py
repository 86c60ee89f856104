"""Choosing among candidates, by trainings from fresh seeds that are evaluated on the confirm rows.

First a race of the best trials, the presets and the starting policies; then the winner loses the techniques that add
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonoise.policy import Policy
from autonoise.study.folder import RunResult
from autonoise.study.session import Session
from autonoise.study.trial_record import TrialRecord
from autonoise.verdict.statistics import Interval, Parts, Side, estimate, paired, parts_of, value
from autonoise.verdict.trainings import Job, Runner

LEAST_CONTRIBUTION = 0.0025
"""Gain in score, a quarter of an accuracy point, that a technique must bring on average to stay in the policy."""
OPPONENTS = ("preset", "start")
"""Roles of the policies that a search has to beat; the best one of each role meets the found policy in the verdict."""
CLEARLY_BEHIND = 0.025
"""Score by which a candidate may be behind the best after one training by the luck of its seed alone."""
UNLUCKY = 1.28
"""Standard errors of the choice of rows by which it may be behind besides: with more, chances are one in ten."""
CERTAIN = 0.015
"""Score that the upper end of a contribution's interval must be below before the technique is left out.

On small data the intervals are wide, so that nothing can be said and every technique stays.
"""


@dataclass(frozen=True)
class Standing:
    """A candidate after the race, with its runs and their means.

    ``role`` is "baseline", "preset", "start" (a starting policy of the space, unchanged) or "found". ``score`` is the
    mixed score, ``clean`` and ``noisy`` are accuracies (0 to 1).
    """

    policy: Policy
    role: str
    results: tuple[RunResult, ...]
    score: float
    clean: float
    noisy: float


@dataclass(frozen=True)
class Contribution:
    """What a technique adds: the score of the policy with it minus the score without it, on the confirm rows."""

    technique: str
    interval: Interval
    kept: bool


def pick_candidates(trials: Sequence[TrialRecord], n: int) -> list[Policy]:
    """Up to ``n`` different policies: the best trials by score, and the best by noisy accuracy alone.

    ``trials`` come with the best score first; those without noise are no candidates.
    """
    found: dict[str, Policy] = {}
    by_noisy = sorted(trials, key=lambda t: -t.noisy)
    for trial in [*trials[: max(n - 1, 1)], *by_noisy[:1], *trials]:
        policy = trial.policy
        if policy.steps and len(found) < n:
            found.setdefault(policy.hash, policy)
    return list(found.values())


def race(session: Session, runner: Runner, entries: Mapping[str, tuple[Policy, str]], seeds: int) -> list[Standing]:
    """Train every entry on fresh seeds, seed by seed; clear losers leave after each round.

    The baseline, the best preset and the best starting policy always stay. A further round begins only where the
    session's budget has time for it. Returns the standings, best first; only entries of the last round can win.
    """
    weight, families, stop = session.config.noise_weight, session.families, session.stop
    done = session.counter("confirm", seeds * len(entries))
    results: dict[str, list[RunResult]] = {key: [] for key in entries}
    alive = list(entries)
    for seed in range(seeds):
        jobs = [Job(entries[key][0], "confirm", seed) for key in alive]
        for key, result in zip(alive, runner.run(jobs, stop=stop, done=done), strict=True):
            if result is not None:
                results[key].append(result)
        alive = [k for k in alive if len(results[k]) == seed + 1]
        if stop() or not alive:
            break
        alive = _survivors(alive, entries, results, weight, families)
        if not session.budget.another_round([r for found in results.values() for r in found], len(alive)):
            break
    standings = [standing_of(*entries[k], results[k], weight, families) for k in entries if results[k]]
    rounds = max((len(s.results) for s in standings), default=0)
    return sorted(standings, key=lambda s: (len(s.results) < rounds, -s.score))


def standing_of(
    policy: Policy, role: str, runs: list[RunResult], weight: float, families: Mapping[str, str]
) -> Standing:
    """A candidate with the means over its runs."""
    score = float(np.mean([value(parts_of(r, weight, families)) for r in runs]))
    clean = float(np.mean([r.correct.mean() for r in runs]))
    noisy = float(np.mean([value(parts_of(r, 1.0, families)) for r in runs]))
    return Standing(policy, role, tuple(runs), score, clean, noisy)


def _survivors(
    alive: list[str],
    entries: Mapping[str, tuple[Policy, str]],
    results: Mapping[str, list[RunResult]],
    weight: float,
    families: Mapping[str, str],
) -> list[str]:
    parts: dict[str, list[Parts]] = {k: [parts_of(r, weight, families) for r in results[k]] for k in alive}
    means = {k: float(np.mean([value(p) for p in parts[k]])) for k in alive}
    leader = max(alive, key=lambda k: means[k])
    always = {k for k in alive if entries[k][1] == "baseline"} | {leader}
    for role in OPPONENTS:
        of_role = [k for k in alive if entries[k][1] == role]
        if of_role:
            always.add(max(of_role, key=lambda k: means[k]))
    kept = []
    for k in alive:
        if len(parts[k]) == 1:
            behind = estimate(Side(parts[leader]), Side(parts[k]))
            lost = behind.mean > math.hypot(CLEARLY_BEHIND, UNLUCKY * math.sqrt(behind.rows))
        else:
            lost = paired(parts[k], parts[leader], 0.8).high < 0
        if k in always or not lost:
            kept.append(k)
    return kept


def minimise(session: Session, runner: Runner, policy: Policy, seeds: int) -> tuple[Policy, list[Contribution]]:
    """Leave out each technique in turn on the confirm part; remove those that do not help.

    A technique is removed when it contributes less than ``LEAST_CONTRIBUTION`` on average, and surely less than
    ``CERTAIN``. Techniques may stand in for each other, so the policy without all of these is trained once more; where
    it loses more than ``LEAST_CONTRIBUTION``, only the more useless half of them is removed, and so on.
    """
    weight, families, stop = session.config.noise_weight, session.families, session.stop
    done = session.counter("minimise", seeds * len(policy.steps))
    if len(policy.steps) < 2 or stop():
        return policy, []
    without = [replace(policy, steps=tuple(s for s in policy.steps if s is not step)) for step in policy.steps]
    variants = [policy, *without]
    jobs = [Job(p, "confirm", seed) for p in variants for seed in range(seeds)]
    runs = runner.run(jobs, stop=stop, done=done)
    if any(r is None for r in runs):
        return policy, []
    parts = [
        [parts_of(r, weight, families) for r in runs[i * seeds : (i + 1) * seeds] if r is not None]
        for i in range(len(variants))
    ]
    differences = [paired(parts[0], p, 0.8) for p in parts[1:]]
    useless = [d.mean < LEAST_CONTRIBUTION and d.high < CERTAIN for d in differences]
    contributions = [Contribution(s.name, d, not u) for s, d, u in zip(policy.steps, differences, useless, strict=True)]
    if not any(useless):
        return policy, contributions
    if all(useless):
        useless[int(np.argmax([d.mean for d in differences]))] = False
    # techniques may stand in for each other: where all of the useless cannot go, the more useless half may
    going = sorted((i for i, u in enumerate(useless) if u), key=lambda i: differences[i].mean)
    while going:
        smaller = replace(policy, steps=tuple(s for i, s in enumerate(policy.steps) if i not in going))
        checked = runner.run([Job(smaller, "confirm", seed) for seed in range(seeds)], stop=stop, done=done)
        kept = [parts_of(r, weight, families) for r in checked if r is not None]
        if len(kept) == seeds and paired(parts[0], kept, 0.8).mean <= LEAST_CONTRIBUTION:
            return smaller, [replace(c, kept=i not in going) for i, c in enumerate(contributions)]
        going = going[: len(going) // 2]
    return policy, [replace(c, kept=True) for c in contributions]
