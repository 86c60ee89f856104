"""How a trial's policy is drawn: by Optuna's TPE with a prior of few techniques, or as a child of the best trials.

The search space asks for each technique whether it is used; these yes/no parameters are called switches here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autonoise.ops.random import seed_from
from autonoise.study.trial_record import TrialRecord, records_of

SWITCH, RANK = "use.", "rank."
STARTUP = 12
"""Number of finished trials before the sampler learns from them; most of these are baseline, seeds and presets."""
OFFSPRING = 0.6
"""Share of the later trials that are children of the best ones; the others are drawn by TPE."""
PARENTS = 5
"""How many of the best trials can be parents."""
SECOND_PARENT, LOSES, GAINS = 0.5, 0.12, 0.6
"""Probability that a child has two parents, probability that it loses each of their techniques, and the mean number of
techniques that it gains."""
KEEPS, WIDTH = 0.5, 0.15
"""Probability that a child keeps a parent's number; else the spread (standard deviation) of its change, as a share of
the range."""


class _SwitchPrior(BaseSampler):
    """Put before a sampler: independent draws of a switch are on with probability ``prior``."""

    prior: float
    switches: RandomSampler

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if param_name.startswith(SWITCH):
            return bool(self.switches._rng.rng.random() < self.prior)
        return super().sample_independent(study, trial, param_name, param_distribution)  # type: ignore[safe-super]


class PriorTPESampler(_SwitchPrior, TPESampler):
    """TPESampler whose start-up trials follow the prior.

    Optuna draws a switch uniformly, so that 25 switches give 12 techniques a trial: too many to train well with,
    and too far from what anybody would use.
    """

    def __init__(self, *, prior: float, seed: int, **options: Any) -> None:
        super().__init__(multivariate=True, group=True, seed=seed, **options)
        self.prior, self.switches = prior, RandomSampler(seed=seed + 1)


class EvolvingSampler(PriorTPESampler):
    """TPE in turns with offspring of the best trials, as in regularised evolution (Real et al. 2019).

    With few trials TPE's kernel flips one switch in five, which leaves nothing of a good combination of techniques;
    a child keeps most of its parents'. Reproducible from the seed.
    """

    def __init__(self, *, prior: float, seed: int, **options: Any) -> None:
        super().__init__(prior=prior, seed=seed, **options)
        self._rng_children = np.random.default_rng(seed)
        self._children: dict[int, dict[str, Any]] = {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        parents = _parents(study)
        if len(parents) < 2 or len(_ended(study)) < STARTUP or self._rng_children.random() >= OFFSPRING:
            return super().sample_relative(study, trial, search_space)
        self._children[trial.number] = self._inherit(parents)
        return {}

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._children.pop(trial.number, None)
        super().after_trial(study, trial, state, values)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        child = self._children.get(trial.number)
        if child is None or param_name.startswith(RANK):
            return super().sample_independent(study, trial, param_name, param_distribution)
        rng = self._rng_children
        if param_name.startswith(SWITCH):
            on = bool(child.get(param_name, False))
            others = max(sum(k.startswith(SWITCH) and not v for k, v in child.items()), 1)
            return on != (rng.random() < (LOSES if on else GAINS / others))
        if not _allows(param_distribution, child.get(param_name)):
            return super().sample_independent(study, trial, param_name, param_distribution)
        return _varied(child[param_name], param_distribution, rng)

    def _inherit(self, parents: Sequence[FrozenTrial]) -> dict[str, Any]:
        """Parameters of one parent, or technique by technique those of one of two."""
        rng = self._rng_children
        weights = np.arange(len(parents), 0, -1) / (len(parents) * (len(parents) + 1) / 2)
        first = parents[rng.choice(len(parents), p=weights)].params
        if rng.random() >= SECOND_PARENT:
            return dict(first)
        second = parents[rng.choice(len(parents), p=weights)].params
        switches = sorted(k for k in first if k.startswith(SWITCH))
        # what belongs to no technique, such as the learning rate of somebody's own study, comes from the first
        owned = tuple(f"{k.removeprefix(SWITCH)}." for k in switches)
        child = {k: v for k, v in first.items() if not k.startswith((SWITCH, RANK, *owned))}
        for switch in switches:
            name = switch.removeprefix(SWITCH)
            a, b = bool(first[switch]), bool(second.get(switch))
            # what both have stays, what one has comes along two times in three
            giver = (first if rng.random() < 0.5 else second) if a == b else (first if a else second)
            child[switch] = a if a == b else bool(rng.random() < 2 / 3)
            child |= {k: v for k, v in giver.items() if k.startswith(f"{name}.")}
        return child


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _parents(study: optuna.Study) -> list[FrozenTrial]:
    """The best completed trials that keep the constraints, best first; of two objectives the front."""
    if len(study.directions) > 1:
        return [t for t in study.best_trials if TrialRecord.of(t).feasible][:PARENTS]
    done = [r.trial for r in records_of(study, (TrialState.COMPLETE,)) if r.feasible]
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
    return sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number))[:PARENTS]


def _allows(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a parent has the parameter, at a value that is still offered."""
    try:
        return value is not None and distribution._contains(distribution.to_internal_repr(value))
    except ValueError:
        return False


def _varied(value: Any, distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    """The value itself, or one near it."""
    if isinstance(distribution, CategoricalDistribution):
        return value if rng.random() >= LOSES else distribution.choices[rng.integers(len(distribution.choices))]
    if rng.random() < KEEPS:
        return value
    low, high = float(distribution.low), float(distribution.high)  # type: ignore[attr-defined]
    if distribution.log:  # type: ignore[attr-defined]
        moved = math.exp(math.log(value) + rng.normal() * WIDTH * math.log(high / low))
    else:
        moved = value + rng.normal() * WIDTH * (high - low)
    moved = min(max(moved, low), high)
    return round(moved) if isinstance(distribution, IntDistribution) else moved


class PriorRandomSampler(_SwitchPrior, RandomSampler):
    """Random search with the same prior: the opponent in the benchmark of the engine."""

    def __init__(self, *, prior: float, seed: int) -> None:
        super().__init__(seed=seed)
        self.prior, self.switches = prior, RandomSampler(seed=seed + 1)


def make_sampler(engine: str, *, prior: float, seed: int, trials: int, worker: int) -> BaseSampler:
    """The sampler of an engine. The seed differs by what is in the study already and by worker: resuming with the
    same seed would replay the same start-up trials.
    """
    mixed = seed_from(seed, trials, worker) % 2**32 // 2
    if engine == "random":
        return PriorRandomSampler(prior=prior, seed=mixed)
    kind = EvolvingSampler if engine == "autonoise" else PriorTPESampler
    return kind(prior=prior, seed=mixed, n_startup_trials=STARTUP)
