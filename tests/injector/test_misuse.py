"""Calls that a training loop forgets are told once, at the end of the first epoch, and right loops hear nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from autonoise.policy import NoiseInjector, Policy, Step

X, Y = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3
STEPS = 4
ALL = ("gaussian_noise", "label_smoothing", "activation_noise", "gce")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING, "autonoise")
    return lambda: [r.getMessage() for r in caplog.records if "policy: " in r.getMessage()]


def attach(*names: str, data_type: str = "tabular", **options: Any) -> NoiseInjector:
    model: nn.Module = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))
    if data_type == "text":
        model = nn.Sequential(nn.EmbeddingBag(20, 4), nn.Linear(4, 3))
    policy = Policy(data_type, [Step.of(n) for n in names])  # type: ignore[arg-type]
    return policy.attach(model, **({"epochs": 3, "steps_per_epoch": STEPS} | options))


def update(injector: NoiseInjector, *, micro: int = 1, perturb: bool = True, loss: bool = True) -> None:
    for _ in range(micro):
        x, y = injector.perturb(X, Y) if perturb else (X, Y)
        logits = injector.inner(x)
        if loss:
            injector.loss(logits, y)
    injector.step()


def test_a_right_loop_hears_nothing(told: Any) -> None:
    injector = attach(*ALL)
    for _ in range(3 * STEPS):
        update(injector)
    whole = attach(*ALL, "sam")
    optimizer = torch.optim.SGD(whole.inner.parameters(), lr=0.1)
    for _ in range(3 * STEPS):
        whole.training_step(X, Y, optimizer)
    text = attach("word_swap", data_type="text", allow_partial=True)
    transform = text.raw_transform()
    for epoch in range(3):
        transform.set_epoch(epoch)
        for _ in range(STEPS):
            transform("some words", 0)
            text.perturb(torch.ones(6, 3, dtype=torch.long), Y)
            text.step()
    plain = attach()
    for _ in range(STEPS + 1):
        update(plain, perturb=False, loss=False)
    assert told() == []


@pytest.mark.parametrize(("names", "calls", "line"), [
    (["gaussian_noise"], {"perturb": False}, r"perturb() was not called in the whole first epoch"),
    (["activation_noise"], {"perturb": False}, r"perturb() was not called"),
    (["gce"], {"loss": False}, "loss() was not called in the whole first epoch: the policy's own loss (gce)"),
])  # fmt: skip
def test_what_never_ran_is_told_once_at_the_end_of_the_first_epoch(
    names: list[str], calls: dict[str, bool], line: str, told: Any
) -> None:
    injector = attach(*names)
    for _ in range(STEPS - 1):
        update(injector, **calls)  # type: ignore[arg-type]
    assert told() == []
    for _ in range(2 * STEPS):
        update(injector, **calls)  # type: ignore[arg-type]
    assert len(told()) == 1
    assert line in told()[0]


def test_a_model_that_stays_in_eval_mode(told: Any) -> None:
    injector = attach("gaussian_noise")
    injector.model.eval()
    for _ in range(2 * STEPS):
        update(injector)
    assert len(told()) == 1
    assert "eval mode in the whole first epoch: noise acts only after model.train()" in told()[0]


def test_without_step_nothing_moves_on(told: Any) -> None:
    injector = attach("gaussian_noise")
    for _ in range(99):
        injector.perturb(X, Y)
    assert told() == []
    for _ in range(200):
        injector.perturb(X, Y)
    assert len(told()) == 1
    assert "perturb() was called 100 times and step() never" in told()[0]


def test_more_updates_than_planned(told: Any) -> None:
    injector = attach("gaussian_noise")
    for _ in range(3 * STEPS):
        update(injector)
    assert told() == []
    for _ in range(3):
        update(injector)
    assert len(told()) == 1
    assert "more often than the 12 updates planned (3 epochs of 4)" in told()[0]


def test_accumulation_with_the_length_of_the_loader(told: Any) -> None:
    """Eight batches an epoch, four to an update: two updates an epoch, of which the plan says eight."""
    injector = attach("gaussian_noise", steps_per_epoch=8)
    update(injector, micro=4)
    assert told() == []
    for _ in range(5):
        update(injector, micro=4)
    assert len(told()) == 1
    assert "about 4 micro-batches" in told()[0]
    assert "end at progress 0.25, so attach with len(loader) // 4" in told()[0]


def test_accumulation_in_a_training_whose_updates_were_counted(told: Any) -> None:
    injector = attach(*ALL, optimizer=None)
    injector.clock.total = 3 * STEPS
    for _ in range(2 * STEPS):
        update(injector, micro=4)
    assert told() == []


def test_a_transform_without_strings_or_epochs(told: Any) -> None:
    def run(strings: bool) -> None:
        injector = attach("word_swap", data_type="text", allow_partial=True)
        transform = injector.raw_transform()
        for _ in range(2 * STEPS):
            if strings:
                transform("some words", 0)
            injector.perturb(torch.ones(6, 3, dtype=torch.long), Y)
            injector.step()

    run(strings=False)
    assert len(told()) == 1
    assert "met no string in the whole first epoch" in told()[0]
    run(strings=True)
    assert len(told()) == 2
    assert "set_epoch() of raw_transform() was not called before the second epoch" in told()[1]
