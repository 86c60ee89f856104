"""The sampler of autonoise's own search, for Optuna studies that other people write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from autonoise.errors import SpaceError
from autonoise.space.space import SearchSpace
from autonoise.trials.sampler import make_sampler


class PolicySampler(BaseSampler):
    """Draws the policies of ``space`` as ``autonoise search`` does; other parameters of a trial are sampled with them.

    ``space.suggest(trial)`` asks of each technique whether it is on. Optuna's samplers first answer yes or no with
    equal chances, which switches on half of the space: the policies are full (``space.max_techniques``) and hardly ever
    resemble what one would train with. Here a technique is on with probability ``space.prior``, so that the first
    trials hold about ``space.expected_techniques`` of them. After 12 trials the sampler learns: it takes turns between
    Optuna's TPE and varied copies of the best trials, in studies that maximise or minimise, with one objective or more.

    The same ``seed`` gives the same trials in a new study; a study that goes on gets new ones. Raises SpaceError for
    anything but a SearchSpace.

    Example:
        >>> import optuna
        >>> from autonoise import PolicySampler, SearchSpace
        >>> space = SearchSpace.load("image")
        >>> study = optuna.create_study(direction="maximize", sampler=PolicySampler(space, seed=0))
        >>> len(space.suggest(study.ask()).steps) <= space.max_techniques
        True
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        if not isinstance(space, SearchSpace):
            raise SpaceError(f"PolicySampler needs a SearchSpace, but got {space!r:.60}: use SearchSpace.load(...)")
        self.space, self.seed = space, seed
        self._engine: BaseSampler | None = None

    def _made(self, trial: FrozenTrial) -> BaseSampler:
        """The sampler that does the work, made for the first trial it meets: its number goes into the seed."""
        if self._engine is None:
            self._engine = make_sampler(
                "autonoise", prior=self.space.prior, seed=self.seed, trials=trial.number, worker=0
            )
        return self._engine

    def reseed_rng(self) -> None:
        """Called by Optuna for each of several threads or processes, which must not all draw the same trials."""
        self.seed = int(np.random.default_rng().integers(2**31))
        if self._engine is not None:
            self._engine.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._made(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._made(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._made(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._made(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._made(trial).after_trial(study, trial, state, values)
