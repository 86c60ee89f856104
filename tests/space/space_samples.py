"""A trial without Optuna, a small space, and giving a policy to an Optuna trial."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import optuna

from autonoise.policy import Policy
from autonoise.space.space import SearchSpace
from autonoise.types import DataType

TYPES = [str(d) for d in DataType]
optuna.logging.set_verbosity(optuna.logging.ERROR)


class FakeTrial:
    """Suggests from a seeded stream; switches are on with probability ``on``, given values come first."""

    def __init__(self, seed: int = 0, on: float = 0.5, given: Mapping[str, Any] | None = None) -> None:
        self.rng, self.on, self.given, self.asked = random.Random(seed), on, dict(given or {}), {}

    def _answer(self, name: str, drawn: Any) -> Any:
        assert name not in self.asked, f"{name} is suggested twice"
        self.asked[name] = self.given.get(name, drawn)
        return self.asked[name]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        assert low < high
        assert low > 0 or not log
        return float(self._answer(name, self.rng.uniform(low, high)))

    def suggest_int(self, name: str, low: int, high: int) -> int:
        assert low < high
        return int(self._answer(name, self.rng.randint(low, high)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        assert len(choices) > 1
        if name.startswith("use."):
            return self._answer(name, self.rng.random() < self.on)
        return self._answer(name, self.rng.choice(list(choices)))


def space_of(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "format": "autonoise-space/1",
        "data_type": "image",
        "techniques": {"gaussian_noise": {"std": [0.1, 0.3]}, "mixup": {"alpha": [0.1, 1.0]}},
    }
    return {k: v for k, v in (base | changes).items() if v is not ...}


def with_technique(name: str, **values: Any) -> dict[str, Any]:
    return space_of(techniques={name: values})


def replayed(space: SearchSpace, policy: Policy) -> Policy:
    """The policy of a trial to which the parameters of ``policy`` were given; warnings are errors."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=9))
    parameters = space.parameters_of(policy)
    study.enqueue_trial(parameters)
    trial = study.ask()
    again = space.suggest(trial)
    assert parameters.items() <= trial.params.items()
    return again
