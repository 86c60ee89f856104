"""The public sampler: the prior in anybody's study, reproducible, learning in either direction."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from study_samples import space_of

from autonoise import PolicySampler, SearchSpace
from autonoise.errors import SpaceError
from autonoise.trials.sampler import STARTUP

NAMES = ("gaussian_noise", "dropout", "mixup", "swap_noise", "feature_masking", "fgsm")
SMALL = space_of(techniques={n: {} for n in NAMES}, expected_techniques=1.5, max_techniques=4)
GOOD = {"gaussian_noise", "mixup"}


def active(params: dict[str, Any]) -> set[str]:
    return {k.removeprefix("use.") for k, v in params.items() if k.startswith("use.") and v}


def drawn(sampler: optuna.samplers.BaseSampler, trials: int, space: SearchSpace = SMALL) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=sampler)
    for _ in range(trials):
        trial = study.ask()
        space.suggest(trial)
        trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        study.tell(trial, 0.0)
    return [t.params for t in study.get_trials()]


def test_random_trials_have_about_the_expected_number_of_techniques() -> None:
    space = SearchSpace.load("image")
    assert space.expected_techniques == 3
    random = [len(active(p)) for seed in range(20) for p in drawn(PolicySampler(space, seed=seed), 10, space)]
    # 200 trials of n techniques at 3/n each: standard deviation of the mean .12 at most
    assert np.mean(random) == pytest.approx(3.0, abs=0.35)
    optunas = [len(active(p)) for p in drawn(optuna.samplers.RandomSampler(seed=0), 50, space)]
    assert np.mean(optunas) == pytest.approx(len(space.techniques) / 2, abs=1.0)


def test_equal_seeds_equal_trials_and_a_study_that_goes_on_gets_new_ones() -> None:
    first = drawn(PolicySampler(SMALL, seed=4), 16)
    assert first == drawn(PolicySampler(SMALL, seed=4), 16)
    assert first != drawn(PolicySampler(SMALL, seed=5), 16)
    study = optuna.create_study(sampler=PolicySampler(SMALL, seed=4))
    for _ in range(2):
        study.sampler = PolicySampler(SMALL, seed=4)
        for _ in range(3):
            SMALL.suggest(trial := study.ask())
            study.tell(trial, 0.0)
    begun = [t.params for t in study.get_trials()]
    assert begun[:3] != begun[3:]
    assert [active(p) for p in begun[:3]] == [active(p) for p in first[:3]]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_later_trials_resemble_the_best(direction: Literal["maximize", "minimize"]) -> None:
    study = optuna.create_study(direction=direction, sampler=PolicySampler(SMALL, seed=0))
    sign = 1 if direction == "maximize" else -1
    for number in range(STARTUP):
        on = GOOD if number < 5 else {"fgsm"}
        study.enqueue_trial({f"use.{n}": n in on for n in NAMES} | {"learning_rate": 0.01 if number < 5 else 0.05})
        SMALL.suggest(trial := study.ask())
        trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        study.tell(trial, sign * (0.9 if number < 5 else 0.1))
    params = []
    for _ in range(60):
        SMALL.suggest(trial := study.ask())
        trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        params.append(trial.params)
        study.tell(trial, sign * 0.1)
    # six in ten copy the best, each technique kept with .88; of trials that copy nothing, .25 * .25 have both
    assert np.mean([active(p) >= GOOD for p in params]) > 0.4
    # a copy keeps somebody's own parameter as it is every second time
    assert np.mean([p["learning_rate"] == 0.01 for p in params]) > 0.18


def test_trials_that_run_side_by_side_each_keep_what_they_inherit() -> None:
    study = optuna.create_study(direction="maximize", sampler=PolicySampler(SMALL, seed=0))
    for _ in range(STARTUP):
        study.enqueue_trial({f"use.{n}": n in GOOD for n in NAMES})
        SMALL.suggest(trial := study.ask())
        study.tell(trial, 0.5)
    trials = [study.ask() for _ in range(40)]
    for trial in trials:
        trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)  # Optuna asks the sampler at the first suggestion
    # six in ten descend from the best trials
    assert len(study.sampler._engine._children) == pytest.approx(24, abs=10)
    for trial in trials:
        SMALL.suggest(trial)
    for trial in trials:
        study.tell(trial, 0.0)
    assert study.sampler._engine._children == {}


def test_reseeding_gives_each_process_its_own_trials() -> None:
    samplers = [PolicySampler(SMALL, seed=4) for _ in range(4)]
    for sampler in samplers[2:]:
        sampler.reseed_rng()
    runs = [drawn(sampler, 4) for sampler in samplers]
    assert runs[0] == runs[1] != runs[2] != runs[3] != runs[1]
    samplers[0].reseed_rng()
    assert drawn(samplers[0], 4) != drawn(samplers[1], 4)


def test_anything_but_a_space_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"needs a SearchSpace, but got 'image': use SearchSpace.load"):
        PolicySampler("image")  # type: ignore[arg-type]


def test_the_function_search_is_not_hidden_by_the_room_of_that_name() -> None:
    code = "import autonoise; autonoise.PolicySampler; assert autonoise.search.__name__ == 'search', autonoise.search"
    subprocess.run([sys.executable, "-c", code], check=True)
