"""From trials to policies and back; what a space's hash covers."""

from __future__ import annotations

import copy

import optuna
import pytest
from space_samples import TYPES, FakeTrial, replayed, space_of, with_technique

from autonoise.policy import Policy, Step
from autonoise.space.space import SearchSpace
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import DataType


@pytest.fixture(scope="module")
def spaces() -> dict[str, SearchSpace]:
    return {name: SearchSpace.load(name) for name in TYPES}


@pytest.mark.parametrize("name", TYPES)
def test_fake_trials_give_valid_policies(name: str, spaces: dict[str, SearchSpace]) -> None:
    space = spaces[name]
    for seed in range(20):
        policy = space.suggest(FakeTrial(seed, on=0.3))
        assert len(policy.steps) <= space.max_techniques
        assert Policy.from_dict(policy.to_dict()).hash == policy.hash
        assert policy.name == f"{name}-{policy.hash}"
        assert policy.hash == space.suggest(FakeTrial(seed, on=0.3)).hash
    assert space.suggest(FakeTrial(on=0.0)).steps == ()


@pytest.mark.parametrize("name", TYPES)
def test_optuna_trials_round_trip(name: str, spaces: dict[str, SearchSpace]) -> None:
    space = spaces[name]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    policies = []
    for _ in range(30):
        trial = study.ask()
        policy = space.suggest(trial)
        assert 0 < len(policy.steps) <= space.max_techniques
        assert Policy.from_trial(trial).hash == policy.hash
        policies.append(policy)
        study.tell(trial, 0.0)
    assert len({p.hash for p in policies}) == 30
    for policy in policies:
        assert replayed(space, policy).hash == policy.hash
        # a policy file rounds to six digits
        read = Policy.from_dict(policy.to_dict())
        assert replayed(space, read).hash == policy.hash


def test_the_highest_ranks_stay_in_the_order_of_the_space() -> None:
    space = SearchSpace.from_dict(
        space_of(
            max_techniques=2, techniques={"blur": None, "gaussian_noise": None, "jpeg": None, "impulse_noise": None}
        )
    )
    ranks = {"rank.blur": 0.1, "rank.gaussian_noise": 0.4, "rank.jpeg": 0.9, "rank.impulse_noise": 0.2}
    policy = space.suggest(FakeTrial(on=1.0, given=ranks))
    assert [s.name for s in policy.steps] == ["gaussian_noise", "jpeg"]


def test_of_two_that_contradict_each_other_the_higher_rank_stays() -> None:
    values = space_of(max_techniques=2, techniques={"gce": None, "mae": None, "mixup": None})
    space = SearchSpace.from_dict(values)
    for first, other in (("gce", "mae"), ("mae", "gce")):
        ranks = {f"rank.{first}": 0.9, f"rank.{other}": 0.8, "rank.mixup": 0.1}
        policy = space.suggest(FakeTrial(on=1.0, given=ranks))
        assert [s.name for s in policy.steps] == [first]


def test_parameters_that_contradict_each_other_leave_the_step_out() -> None:
    values = space_of(data_type="audio", techniques={"band_limit": {"low": 0.6, "high": [0.3, 0.5]}, "gain": None})
    policy = SearchSpace.from_dict(values).suggest(FakeTrial(on=1.0))
    assert [s.name for s in policy.steps] == ["gain"]


@pytest.mark.parametrize(
    ("timing", "given", "schedule", "gate"),
    [
        ("constant", {}, Schedule(), Gate()),
        ("ramp_up", {}, Schedule("ramp_up"), Gate()),
        ("window", {}, Schedule("window"), Gate()),
        ("late", {"gaussian_noise.late": 0.37}, Schedule("window", start=0.37), Gate()),
        ("off_at_end", {"gaussian_noise.off": 0.81}, Schedule("constant", end=0.81), Gate()),
        ("every_2", {}, Schedule(), Gate(2)),
        ("every_4", {}, Schedule(), Gate(4)),
        ("every_2_epochs", {}, Schedule(), Gate(2, "epoch")),
    ],
)
def test_timings(timing: str, given: dict[str, float], schedule: Schedule, gate: Gate) -> None:
    offered = ["constant", "window", "late", "off_at_end", "every_2", "every_4", "every_2_epochs", "ramp_up"]
    space = SearchSpace.from_dict(with_technique("gaussian_noise", schedule=offered))
    (step,) = space.suggest(FakeTrial(on=1.0, given={"gaussian_noise.schedule": timing, **given})).steps
    assert (step.schedule, step.gate) == (schedule, gate)
    found = space.parameters_of(Policy(DataType.IMAGE, (step,)))
    assert found["gaussian_noise.schedule"] == timing
    assert {k: v for k, v in found.items() if k in ("gaussian_noise.late", "gaussian_noise.off")} == given


def test_nearest_parameters() -> None:
    space = SearchSpace.from_dict(
        space_of(
            max_techniques=2,
            techniques={
                "gaussian_noise": {
                    "std": [0.1, 0.3],
                    "probability": [0.2, 0.5, 1.0],
                    "schedule": ["late", "off_at_end"],
                    "magnitude": ["fixed", "uniform"],
                },
                "drop_block": {"block": [3, 5], "probability": 1, "schedule": "constant"},
                "jpeg": None,
            },
        )
    )
    policy = Policy(
        DataType.IMAGE,
        (
            Step.of("gaussian_noise", std=0.7, probability=0.55, magnitude="uniform"),
            Step.of("drop_block", block=7, p=0.1, schedule="ramp_up"),
            Step.of("cutout"),
        ),
    )
    assert space.parameters_of(policy) == {
        "use.gaussian_noise": True,
        "use.drop_block": True,
        "use.jpeg": False,
        "gaussian_noise.std": 0.3,
        "gaussian_noise.probability": 0.5,
        "gaussian_noise.magnitude": "uniform",
        "gaussian_noise.schedule": "late",
        "gaussian_noise.late": 0.2,
        "drop_block.p": 0.1,
        "drop_block.block": 5,
    }
    off = Policy(DataType.IMAGE, (Step.of("gaussian_noise", schedule=Schedule(end=0.99)),))
    assert space.parameters_of(off)["gaussian_noise.off"] == 0.95


def test_ways_to_write_a_dimension() -> None:
    space = SearchSpace.from_dict(
        space_of(
            defaults={"probability": 0.5, "schedule": "constant"},
            techniques={
                "gaussian_noise": {"std": {"low": 0.1, "high": 0.2, "log": False}, "magnitude": "uniform"},
                "drop_block": {"p": 0.1, "block": {"choices": [3, 7]}},
                "activation_noise": {"sigma": [0.1, 0.2, 0.4], "site": ["after_norm", "penultimate"]},
                "mixup": None,
            },
        )
    )
    dims = space.techniques
    assert (dims["gaussian_noise"]["std"].low, dims["gaussian_noise"]["std"].high) == (0.1, 0.2)
    assert not dims["gaussian_noise"]["std"].log
    assert dims["drop_block"]["block"].choices == (3, 7)
    assert dims["activation_noise"]["sigma"].choices == (0.1, 0.2, 0.4)
    assert (dims["mixup"]["alpha"].low, dims["mixup"]["alpha"].high, dims["mixup"]["alpha"].log) == (0.05, 1.0, True)
    trial = FakeTrial(on=1.0)
    policy = space.suggest(trial)
    by_name = {s.name: s for s in policy.steps}
    assert all(s.probability == 0.5 and s.schedule == Schedule() for s in policy.steps)
    assert by_name["gaussian_noise"].magnitude == "uniform"
    assert by_name["activation_noise"].site in ("after_norm", "penultimate")
    fixed = {"gaussian_noise.probability", "mixup.schedule", "drop_block.p", "gaussian_noise.magnitude"}
    assert not fixed & set(trial.asked)


@pytest.mark.parametrize("name", TYPES)
def test_expected_number_of_techniques(name: str, spaces: dict[str, SearchSpace]) -> None:
    space = spaces[name]
    assert space.prior * len(space.techniques) == pytest.approx(3.0)
    switched = [
        sum(v for k, v in trial.asked.items() if k.startswith("use."))
        for trial in (FakeTrial(seed, on=space.prior) for seed in range(300))
        if space.suggest(trial) is not None
    ]
    # variance of a trial: n p (1 - p) < 3, so the mean of 300 has a standard error below 0.1
    assert abs(sum(switched) / 300 - 3.0) < 0.4
    small = SearchSpace.from_dict(space_of(expected_techniques=5))
    assert small.prior == 1.0


def test_hash_is_of_what_is_searched() -> None:
    one = SearchSpace.from_dict(space_of())
    assert one.hash == SearchSpace.from_dict(copy.deepcopy(space_of())).hash
    assert len(one.hash) == 12
    others = [
        space_of(techniques={"gaussian_noise": {"std": [0.1, 0.31]}, "mixup": {"alpha": [0.1, 1.0]}}),
        space_of(techniques={"gaussian_noise": {"std": [0.1, 0.3]}, "mixup": {"alpha": [0.1, 1.0], "probability": 1}}),
        space_of(techniques={"gaussian_noise": {"std": [0.1, 0.3]}}),
        space_of(techniques={"mixup": {"alpha": [0.1, 1.0]}, "gaussian_noise": {"std": [0.1, 0.3]}}),
        space_of(defaults={"schedule": "constant"}),
        space_of(max_techniques=3),
        space_of(expected_techniques=2),
    ]
    hashes = {SearchSpace.from_dict(values).hash for values in others}
    assert len(hashes) == len(others)
    assert one.hash not in hashes
    seeded = space_of(seeds=[{"name": "a", "steps": [{"technique": "mixup"}]}])
    assert SearchSpace.from_dict(seeded).hash == one.hash


def test_steps_of_a_group_act_less_often_outside_of_it() -> None:
    space = SearchSpace.from_dict(space_of(techniques={"gaussian_noise": {}, "blur": {}}))
    grouped = Policy(
        "image",
        (Step.of("gaussian_noise", probability=0.8, one_of="any"), Step.of("blur", one_of="any")),
    )
    given = space.parameters_of(grouped)
    assert given["gaussian_noise.probability"] == 0.4 and given["blur.probability"] == 0.5
