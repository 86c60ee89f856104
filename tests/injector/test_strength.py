"""One strength in one place: every stage, raw strings in loader workers included, follows set_strength()."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from autonoise.errors import AttachError
from autonoise.evaluation.monitor import RobustnessMonitor
from autonoise.injector.raw import RawTransform
from autonoise.policy import NoiseInjector, Policy, Step

TEXTS = [f"row {n} of a longer corpus with some more words to change or lose" for n in range(40)]
POLICY = Policy("text", [Step.of("word_swap")])  # type: ignore[arg-type]


def model() -> nn.Module:
    return nn.Sequential(nn.EmbeddingBag(20, 4), nn.Linear(4, 2))


def attach(**options: Any) -> NoiseInjector:
    return POLICY.attach(options.pop("model", None) or model(), **({"epochs": 3, "steps_per_epoch": 4} | options))


def changed(transform: RawTransform) -> int:
    return sum(a != b for a, b in zip(TEXTS, transform.many(TEXTS, range(len(TEXTS))), strict=True))


@pytest.mark.parametrize("given", [False, True])
def test_the_injectors_strength_is_that_of_its_transforms(given: bool) -> None:
    transform = POLICY.raw_transform(epochs=3)
    injector = attach(raw_transform=transform) if given else attach()
    transforms = [transform] if given else [injector.raw_transform(), injector.raw_transform()]
    assert all(changed(t) > 20 for t in transforms)
    injector.set_strength(0.0)
    assert injector.knob == 0
    assert [changed(t) for t in transforms] == [0] * len(transforms)
    injector.set_strength(0.5)
    assert all(t.strength == 0.5 for t in transforms)
    assert injector.raw_transform().strength == 0.5


class Words(Dataset[str]):
    def __init__(self, transform: RawTransform) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return len(TEXTS)

    def __getitem__(self, index: int) -> str:
        return self.transform(TEXTS[index], index)


def test_workers_that_run_already_see_strength_epoch_and_seed() -> None:
    injector = attach(seed=1)
    transform = injector.raw_transform()
    loader: Any = DataLoader(Words(transform), batch_size=len(TEXTS), num_workers=1, persistent_workers=True)
    first = next(iter(loader))
    assert transform.used
    injector.set_strength(0.0)
    assert next(iter(loader)) == TEXTS
    injector.set_strength(1.0)
    transform.set_epoch(1)
    assert next(iter(loader)) not in (TEXTS, first)
    # a resumed run brings its own seed and strength
    state = attach(seed=2).state_dict() | {"strength": 1.0}
    injector.load_state_dict(state)
    transform.set_epoch(0)
    resumed = next(iter(loader))
    assert resumed != first
    assert resumed == POLICY.raw_transform(epochs=3, seed=2).many(TEXTS, range(len(TEXTS)))


def test_a_transform_keeps_the_seed_that_it_was_given() -> None:
    transform = POLICY.raw_transform(epochs=3, seed=7)
    injector = attach(raw_transform=transform, seed=1)
    injector.load_state_dict(attach(seed=2).state_dict())
    assert transform.many(TEXTS, range(40)) == POLICY.raw_transform(epochs=3, seed=7).many(TEXTS, range(40))
    wide = POLICY.raw_transform(epochs=3, seed=2**63 + 5)  # more than a signed number of 64 bits holds
    assert changed(wide) > 20


def test_backing_off_and_resuming_reach_text_noise() -> None:
    class Wrong(nn.Module):
        """Sure of the first class, and ever surer, though all rows are of the second."""

        def __init__(self) -> None:
            super().__init__()
            self.table, self.head, self.sure = nn.EmbeddingBag(20, 2), nn.Linear(2, 2), 1.0

        def forward(self, ids: Tensor) -> Tensor:
            wrong = torch.arange(len(ids)) < 40 * self.sure
            return torch.where(wrong[:, None], torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0]))

    net = Wrong()
    injector = attach(model=net)
    transform = injector.raw_transform()
    sets = {"clean": (torch.ones(300, 4, dtype=torch.long), torch.ones(300, dtype=torch.long))}
    monitor = RobustnessMonitor(injector, sets | {"noisy": sets["clean"]}, back_off=True, patience=1)
    for sure in (1.0, 5.0):
        net.sure = sure
        monitor.epoch()
    assert monitor.overused
    assert transform.strength == pytest.approx(0.7)
    resumed = attach()
    before = resumed.raw_transform()
    resumed.load_state_dict(injector.state_dict())
    assert before.strength == pytest.approx(0.7)


def test_a_policy_is_a_value() -> None:
    """Nothing that is done with a policy is kept on it: a look at a sample must not silence a later check."""
    policy = Policy("text", [Step.of("word_swap")])  # type: ignore[arg-type]

    def kept() -> dict[str, object]:
        # which steps are of which stage follows from the steps alone
        return {k: v for k, v in vars(policy).items() if k != "_by_stage"}

    before = kept()
    policy.raw_transform()("some words", 0)
    policy.attach(model(), epochs=1, steps_per_epoch=1).raw_transform()
    assert kept() == before
    injector = policy.attach(model(), epochs=1, steps_per_epoch=1)
    injector.perturb(torch.ones(4, 3, dtype=torch.long), torch.zeros(4, dtype=torch.long))
    with pytest.raises(AttachError, match=r"run injector.raw_transform\(\).*raw_transform=transform"):
        injector.step()


@pytest.mark.parametrize("strength", [-0.1, math.nan, 101, math.inf])
def test_strengths_that_are_none(strength: float) -> None:
    with pytest.raises(AttachError, match="0 <= strength <= 100 must hold"):
        attach().set_strength(strength)


def test_transforms_that_do_not_fit() -> None:
    other = Policy("text", [Step.of("eda")])  # type: ignore[arg-type]
    with pytest.raises(AttachError, match=r"is of policy .* make it by policy.raw_transform\(epochs=3\)"):
        attach(raw_transform=other.raw_transform(epochs=3))
    with pytest.raises(AttachError, match="made for 1 epochs, but attach says 3"):
        attach(raw_transform=POLICY.raw_transform())
