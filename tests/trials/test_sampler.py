"""The prior on the switches, and seeds that reproduce or differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from study_samples import space_of

from autonoise.study.trial_record import PREFIX
from autonoise.trials.sampler import (
    GAINS,
    KEEPS,
    LOSES,
    OFFSPRING,
    EvolvingSampler,
    PriorRandomSampler,
    PriorTPESampler,
    _allows,
    _parents,
    _varied,
    make_sampler,
)

WIDE = space_of(
    techniques={
        n: {}
        for n in (
            "gaussian_noise",
            "dropout",
            "mixup",
            "swap_noise",
            "feature_masking",
            "fgsm",
            "label_smoothing",
            "weight_noise",
            "activation_noise",
            "sam",
        )
    },
    expected_techniques=3.0,
    max_techniques=4,
)


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
        make_sampler("random", prior=0.3, seed=1, trials=0, worker=0), 3
    )


def test_the_engine_is_multivariate_and_grouped() -> None:
    sampler = make_sampler("autonoise", prior=0.3, seed=0, trials=0, worker=0)
    assert isinstance(sampler, PriorTPESampler)
    assert (sampler._multivariate, sampler._group) == (True, True)
    assert isinstance(make_sampler("random", prior=0.3, seed=0, trials=0, worker=0), PriorRandomSampler)


def test_children_keep_most_of_their_parents() -> None:
    """Two parents with gaussian noise and mixup; what both have stays in seven children of eight."""
    study = optuna.create_study(direction="maximize", sampler=EvolvingSampler(prior=0.3, seed=0, n_startup_trials=12))
    for score in [0.9, 0.8] * 4 + [0.1] * 6:
        on = ("gaussian_noise", "mixup") if score > 0.5 else ("sam",)
        study.enqueue_trial({f"use.{n}": n in on for n in WIDE.techniques} | {"gaussian_noise.std": 0.1})
        WIDE.suggest(trial := study.ask())
        study.tell(trial, score)
    children = []
    for _ in range(200):
        trial = study.ask()
        WIDE.suggest(trial)
        if trial.number in study.sampler._children:
            children.append(trial.params)
        study.tell(trial, 0.0)
    assert len(children) == pytest.approx(OFFSPRING * 200, abs=25)  # standard deviation 7
    shared = np.mean([c["use.gaussian_noise"] and c["use.mixup"] for c in children])
    assert shared == pytest.approx((1 - LOSES) ** 2, abs=0.1)  # standard deviation .04
    gained = np.mean([sum(v for k, v in c.items() if k.startswith("use.")) for c in children])
    assert gained == pytest.approx(2 * (1 - LOSES) + GAINS, abs=0.25)
    kept = [c["gaussian_noise.std"] == 0.1 for c in children if "gaussian_noise.std" in c]
    assert np.mean(kept) == pytest.approx(KEEPS, abs=0.15)


def test_children_of_a_front_and_of_feasible_trials_only() -> None:
    study = optuna.create_study(directions=["maximize", "maximize"], sampler=optuna.samplers.RandomSampler(seed=0))
    for clean, noisy in ((0.9, 0.1), (0.5, 0.5), (0.1, 0.9), (0.4, 0.4)):
        study.tell(study.ask(), (clean, noisy))
    assert [t.number for t in _parents(study)] == [0, 1, 2]
    single = optuna.create_study(direction="maximize")
    for score, excess in ((0.5, 0.0), (0.9, 0.2), (0.7, -0.1)):
        trial = single.ask()
        trial.set_user_attr(PREFIX + "constraints", {"cost": excess})
        single.tell(trial, score)
    assert [t.number for t in _parents(single)] == [2, 0]


@pytest.mark.parametrize(("value", "distribution"), [
    (0.1, FloatDistribution(0.01, 1.0, log=True)), (3, IntDistribution(1, 9)),
    ("a", CategoricalDistribution(("a", "b"))),
])  # fmt: skip
def test_varied_values_stay_in_their_range(value: Any, distribution: Any) -> None:
    rng = np.random.default_rng(0)
    drawn = [_varied(value, distribution, rng) for _ in range(300)]
    assert all(distribution._contains(distribution.to_internal_repr(v)) for v in drawn)
    assert len(set(drawn)) > 1
    assert 0.4 < np.mean([v == value for v in drawn]) < 0.97
    assert not _allows(distribution, None)
    assert not _allows(distribution, "zebra" if isinstance(value, str) else 99)
