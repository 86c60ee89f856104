"""Optuna's TPE (multivariate, grouped), with a prior on the switches: random trials have about three techniques."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from autonoise.ops.random import seed_from

SWITCH = "use."


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
    return PriorTPESampler(prior=prior, seed=mixed, n_startup_trials=12)
