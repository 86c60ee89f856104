"""Steps, the part of a policy that acts, and Policy, which adds what a file needs."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from autonoise.errors import PolicyError
from autonoise.policy import Policy
from autonoise.technique.step import Step, Steps
from autonoise.types import DataType, Stage

NOISE, MIXUP, FLIP = Step.of("gaussian_noise", std=0.1), Step.of("mixup"), Step.of("label_smoothing")


def test_steps_are_sorted_by_stage_and_keep_their_position() -> None:
    steps = Steps(DataType.IMAGE, (MIXUP, FLIP, NOISE))
    assert [s.name for s in steps.steps] == ["gaussian_noise", "label_smoothing", "mixup"]
    assert steps.at_stage(Stage.PAIR) == [(2, MIXUP)]
    assert steps.at_stage(Stage.LOSS) == []


def test_a_policy_is_steps_and_does_the_same() -> None:
    policy = Policy("image", [NOISE, MIXUP], "mine", None, 0.5, {"clean": 0.9})  # type: ignore[arg-type]
    bare = Steps(DataType.IMAGE, (NOISE, MIXUP), strength=0.5)
    assert isinstance(policy, Steps)
    assert (policy.name, policy.strength, policy.scores) == ("mine", 0.5, {"clean": 0.9})
    assert (policy.hash, policy.passes, policy.families) == (bare.hash, bare.passes, bare.families)
    assert policy != bare
    assert policy == replace(policy)
    assert policy != replace(policy, scores={})
    assert type(replace(policy, strength=1.0)) is Policy
    assert policy.hash != policy.scaled(1.0).hash
    assert repr(policy).startswith("Policy 'mine' · image · strength 0.5")
    with pytest.raises(FrozenInstanceError):
        policy.strength = 1.0  # type: ignore[misc]


def test_what_is_returned_as_plain_data_is_a_copy() -> None:
    policy = Policy("image", [NOISE], scores={"clean": {"policy": 0.9}})  # type: ignore[arg-type]
    policy.to_dict()["scores"]["clean"]["policy"] = 0.1
    assert policy.scores == {"clean": {"policy": 0.9}}


@pytest.mark.parametrize("kind", [Steps, Policy])
def test_contradictions_are_refused_in_both(kind: type[Steps]) -> None:
    with pytest.raises(PolicyError, match="gaussian_noise stands twice in the policy"):
        kind(DataType.IMAGE, (NOISE, Step.of("gaussian_noise", std=0.2)))
    with pytest.raises(PolicyError, match="swap_noise does not work for image data"):
        kind(DataType.IMAGE, (Step.of("swap_noise"),))
    with pytest.raises(PolicyError, match="contradict each other"):
        kind(DataType.IMAGE, (Step.of("gce"), Step.of("two_view_consistency")))
    with pytest.raises(PolicyError, match=r"costs 21\.0 passes a step, more than 16"):
        kind(DataType.IMAGE, (Step.of("pgd", steps=20),))
