"""The search's sampler: it tries next what may be expected to improve most, by the bank and by the trials so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm

from autonoise.ops.random import seed_from
from autonoise.policy import Policy
from autonoise.space.space import SearchSpace
from autonoise.study.bank import features_of, training_rows
from autonoise.study.config import StudyConfig
from autonoise.study.gains import lower_bound
from autonoise.study.learned import LARGEST, Guide, Learned, Own, learned, scale_of
from autonoise.study.trial_record import TrialRecord, records_of
from autonoise.training.task import Task
from autonoise.trials.objective import QUICK_ROWS
from autonoise.trials.proposals import proposals
from autonoise.trials.sampler import PriorTPESampler, make_sampler
from autonoise.types import Array

CANDIDATES = 400
"""Policies among which the next one is chosen. Describing and ranking them takes about half a second."""
PARENTS = 8
"""Policies with the highest expected gain from which candidates are derived."""
TUNING = 0.25
"""Share of the trials, the last ones, of which every second only moves the numbers of the best policies."""
SHORT_ERROR = 0.012
"""Standard deviation that a short training adds to a mixed score as an estimate of that of a full one."""
FLIPS = 0.015
"""By the choice of n rows the difference of two policies' mixed scores has the variance FLIPS / n: .006 to .015 times
1 / n were measured on a table and on pictures, over all corruptions and severities."""


REMEMBERED = 150
"""Of a long search the model looks at so many of the best and so many of the last trials."""


@dataclass(frozen=True)
class Sizes:
    """Rows that a policy is judged on: ``full`` after a full training, ``short`` after a short one.

    ``trials``: how many the search has in all.
    """

    full: int
    short: int
    trials: int


def own_of(study: optuna.Study, guide: Guide, sizes: Sizes) -> tuple[Own, list[TrialRecord]]:
    """What the study's trials say about gains, with the records of all of them; nothing before the baseline is known.

    Trials that run now count as what is expected of them, so that workers do not all try the same. Of many trials
    the best ``REMEMBERED`` and the last ``REMEMBERED`` count, since the model's time grows with their number cubed.
    """
    records = _records(study)
    base = _baseline(records)
    if base is None:
        return Own(), []
    known: dict[str, TrialRecord] = {}
    for r in records:
        tried = not r.without_noise and r.state != TrialState.RUNNING and not math.isnan(r.value)
        if tried and (r.policy_hash not in known or r.scored):
            known[r.policy_hash] = r
    running = [r for r in records if r.state == TrialState.RUNNING and r.policy_hash not in known]
    scale = scale_of(base.clean, base.noisy, guide.weight)
    counted = _counted(list(known.values()))
    own = Own(
        tuple(r.policy for r in counted),
        tuple(min(max((r.value - base.score) / scale, -LARGEST), LARGEST) for r in counted),
        tuple(_error(r, sizes, guide.seed_error) / scale for r in counted),
    )
    if running:
        policies = tuple(r.policy for r in running)
        expected, _ = guide.predict(policies, own)
        small = float(np.min(own.errors)) if own.errors else guide.seed_error / scale
        own = Own(own.policies + policies, own.gains + tuple(expected), own.errors + (small,) * len(policies))
    return own, [*known.values(), *running]


def _records(study: optuna.Study) -> list[TrialRecord]:
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return [r for r in records_of(study, states) if r.has_policy]


def _baseline(records: Sequence[TrialRecord]) -> TrialRecord | None:
    return next((r for r in records if r.without_noise and r.scored), None)


def _counted(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best and the last ones, in the order in which they ran."""
    if len(records) <= 2 * REMEMBERED:
        return list(records)
    best = sorted(records, key=lambda r: -r.value)[:REMEMBERED]
    kept = {r.number for r in [*best, *sorted(records, key=lambda r: r.number)[-REMEMBERED:]]}
    return [r for r in records if r.number in kept]


def _error(r: TrialRecord, sizes: Sizes, seed_error: float) -> float:
    """Standard deviation of a trial's score as an estimate of its policy's true one."""
    extra, rows = (0.0, sizes.full) if r.scored else (SHORT_ERROR, sizes.short)
    return math.sqrt(seed_error**2 + extra**2 + FLIPS / max(rows, 1))


def expected_improvement(mean: Array, sd: Array, best: float) -> Array:
    """E[max(gain - best, 0)] of gains ~ N(mean, sd^2) (Jones, Schonlau and Welch 1998)."""
    sd = np.maximum(sd, 1e-9)
    z = (mean - best) / sd
    return np.asarray((mean - best) * norm.cdf(z) + sd * norm.pdf(z))


class GuidedSampler(PriorTPESampler):
    """Proposes the policy of the highest expected improvement among several hundred candidates.

    The candidates are new draws and changed versions of the policies that promise most, among them the bank's
    portfolio; their gains are predicted by :class:`~autonoise.study.learned.Guide`. What was scored already, or runs,
    is not proposed again. Where the baseline has not been scored yet, policies are drawn with the prior on the number
    of techniques.
    """

    def __init__(
        self,
        space: SearchSpace,
        guide: Guide,
        sizes: Sizes,
        *,
        seed: int,
        max_cost: float | None = None,
        **options: Any,
    ) -> None:
        """``max_cost``: passes per training step that no proposal exceeds."""
        super().__init__(prior=space.prior, seed=seed, **options)
        self._space, self._guide, self._sizes = space, guide, sizes
        self._max_cost = math.inf if max_cost is None else max_cost
        self._random = np.random.default_rng(seed)
        self._proposed: dict[int, dict[str, Any]] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing is drawn jointly by TPE; to find its groups all trials would be gone through for each new one."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        # a queued trial brings its own parameters
        if "fixed_params" not in trial.system_attrs:
            chosen = self._choose(study, trial.number)
            if chosen is not None:
                self._proposed[trial.number] = chosen
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        proposed = self._proposed.get(trial.number, {})
        if param_name in proposed and param_distribution._contains(
            param_distribution.to_internal_repr(proposed[param_name])
        ):
            return proposed[param_name]
        return super().sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._proposed.pop(trial.number, None)
        super().after_trial(study, trial, state, values)

    def _choose(self, study: optuna.Study, number: int) -> dict[str, Any] | None:
        """Parameters of the most promising policy, None where there is nothing to go by."""
        own, records = own_of(study, self._guide, self._sizes)
        if not records and (not self._guide.learned.sets or _baseline(_records(study)) is None):
            return None  # knowing nothing, the model would take the policies with the most techniques
        space, guide = self._space, self._guide
        model = guide.model(own)
        # parents: what was tried, and the portfolio
        known = {r.policy_hash for r in records}
        pool = {p.hash: p for p in (*guide.learned.portfolio, *own.policies)}
        broken = {r.policy_hash for r in records if not r.feasible}
        policies = [p for p in pool.values() if p.steps and p.hash not in broken]
        mean, sd = model.posterior(guide.described(policies))
        order = np.argsort(-lower_bound(mean, sd), kind="stable")[:PARENTS]
        parents = [space.parameters_of(policies[i]) for i in order]
        late = number >= (1 - TUNING) * self._sizes.trials
        tuning = late and number % 2 == 0
        made = proposals(space, parents[:3] if tuning else parents, self._random, CANDIDATES, tuning=tuning)
        made = [(p, params) for p, params in made if p.passes <= self._max_cost]
        if not made:
            return None
        best = max(0.0, max((float(m) for m, p in zip(mean, policies, strict=True) if p.hash in known), default=0.0))
        value = expected_improvement(*model.posterior(guide.described([p for p, _ in made])), best)
        ranked = (made[i] for i in np.argsort(-value, kind="stable"))
        return next((params for policy, params in ranked if policy.hash not in known), None)


def guide_of(config: StudyConfig, space: SearchSpace, task: Task) -> Guide:
    """The guide of a study: by the bank without these data and their relatives, or by the study's trials alone."""
    data = task.dataset
    bank = learned(data.data_type).without(data.fingerprint) if config.memory else Learned.nothing(data.data_type)
    meta = features_of(data, training_rows(task.splits))
    return Guide(bank, meta, weight=config.noise_weight, techniques=list(space.techniques))


def sizes_of(config: StudyConfig, task: Task) -> Sizes:
    """Rows that trials of a study are judged on."""
    rows = sum(len(fold.search) for fold in task.splits.folds)
    return Sizes(rows, min(QUICK_ROWS, len(task.splits.folds[0].search)), config.trials)


def sampler_of(config: StudyConfig, space: SearchSpace, task: Task, *, trials: int, worker: int) -> BaseSampler:
    """The sampler of a study; ``trials``: how many there are already, ``worker``: number of the process."""
    if config.engine != "autonoise" or config.objective != "score":
        return make_sampler(config.engine, prior=space.prior, seed=config.seed, trials=trials, worker=worker)
    seed = seed_from(config.seed, trials, worker) % 2**32 // 2
    guide, sizes = guide_of(config, space, task), sizes_of(config, task)
    return GuidedSampler(space, guide, sizes, seed=seed, max_cost=config.max_cost)


def promising(records: Sequence[TrialRecord], own: Own, guide: Guide) -> list[tuple[Policy, float, float]]:
    """(policy, mean, standard deviation) of the gains of all that was tried, the highest lower bound first.

    A policy that looked good once, on few rows, stands back
    behind one that similar trials and the bank speak for.
    """
    if not own.policies:
        return []
    mean, sd = guide.predict(own.policies, own)
    order = np.argsort(-lower_bound(mean, sd), kind="stable")
    return [(own.policies[i], float(mean[i]), float(sd[i])) for i in order]
