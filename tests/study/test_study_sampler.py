"""The prior on the switches, and seeds that reproduce or differ."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from study_samples import space_of

from autonoise.study.sampler import PriorRandomSampler, PriorTPESampler, make_sampler

WIDE = space_of(techniques={
    n: {} for n in ("gaussian_noise", "dropout", "mixup", "swap_noise", "feature_masking", "fgsm", "label_smoothing",
                    "weight_noise", "activation_noise", "sam")
}, expected_techniques=3.0, max_techniques=4)


def run(sampler: Any, trials: int) -> list[dict[str, Any]]:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(trials):
        trial = study.ask()
        policy = WIDE.suggest(trial)
        study.tell(trial, float(len(policy.steps)))
    return [t.params for t in study.get_trials()]


@pytest.mark.parametrize("kind", ["random", "autonoise"])
def test_switches_follow_the_prior(kind: str) -> None:
    assert WIDE.prior == pytest.approx(0.3)
    if kind == "random":
        sampler: Any = PriorRandomSampler(prior=WIDE.prior, seed=5)
    else:
        sampler = PriorTPESampler(prior=WIDE.prior, seed=5, n_startup_trials=120)
    drawn = [v for params in run(sampler, 120) for k, v in params.items() if k.startswith("use.")]
    assert len(drawn) == 1200
    # 1,200 draws: standard deviation .013
    assert sum(drawn) / len(drawn) == pytest.approx(0.3, abs=0.045)


def test_equal_seeds_equal_trials_beyond_start_up() -> None:
    def trials(worker: int, known: int = 0) -> list[dict[str, Any]]:
        return run(make_sampler("autonoise", prior=0.3, seed=1, trials=known, worker=worker), 16)

    first = trials(0)
    assert first == trials(0)
    assert first != trials(1)
    assert first[0] != trials(0, known=7)[0]  # a resumed study does not replay its beginning
    assert run(make_sampler("random", prior=0.3, seed=1, trials=0, worker=0), 3) == run(
        make_sampler("random", prior=0.3, seed=1, trials=0, worker=0), 3)


def test_the_engine_is_multivariate_and_grouped() -> None:
    sampler = make_sampler("autonoise", prior=0.3, seed=0, trials=0, worker=0)
    assert isinstance(sampler, PriorTPESampler)
    assert (sampler._multivariate, sampler._group) == (True, True)
    assert isinstance(make_sampler("random", prior=0.3, seed=0, trials=0, worker=0), PriorRandomSampler)
