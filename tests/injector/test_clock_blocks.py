"""Strengths are a function of where training stands, whatever was asked before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from autonoise.injector.clock import BLOCK, Clock
from autonoise.technique.step import Step

STEPS = {
    "amplitude": Step.of("gaussian_noise", probability=0.5),
    "uniform": Step.of("gaussian_noise", probability=0.5, magnitude="uniform"),
    "ramp": Step.of("gaussian_noise", probability=0.5, schedule="ramp_up"),
}


def at(step: Step, update: int, size: int = 50, clock: Clock | None = None, **other: Any) -> Tensor:
    clock = clock or Clock(other.pop("seed", 3), other.pop("rank", 0), 10, 20, micro=other.pop("micro", 0))
    clock.update = update
    found = clock.strengths(step, 1, size, 1.0, torch.device("cpu"), **other)
    return torch.zeros(size) if found is None else found


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_no_update_depends_on_those_before(step: Step) -> None:
    clock = Clock(3, 0, 10, 20, micro=0)
    in_turn = [at(step, n, clock=clock) for n in range(2 * BLOCK + 3)]
    for n in (2 * BLOCK + 2, 0, BLOCK, BLOCK - 1):
        assert torch.equal(in_turn[n], at(step, n))
        assert torch.equal(in_turn[n], at(step, n, clock=clock))


def test_every_key_gives_its_own_draws() -> None:
    step = STEPS["uniform"]
    others = [
        at(step, 0),
        at(step, 1),
        at(step, BLOCK),
        at(step, 0, seed=4),
        at(step, 0, rank=1),
        at(step, 0, micro=1),
        at(step, 0, extra=1),
    ]
    for i, a in enumerate(others):
        assert not any(torch.equal(a, b) for b in others[:i])
    alike = [at(step, 0, rank=r, micro=m, per_update=True) for r, m in ((0, 0), (1, 0), (0, 1))]
    assert torch.equal(alike[0], alike[1])
    assert torch.equal(alike[0], alike[2])


def test_shares_and_sizes_are_those_of_the_step() -> None:
    clock = Clock(0, 0, 10, 20, micro=0)
    drawn = torch.cat([at(STEPS["uniform"], n, 200, clock) for n in range(100)])
    acting = drawn[drawn > 0]
    assert len(acting) / len(drawn) == pytest.approx(0.5, abs=0.02)
    assert float(acting.mean()) == pytest.approx(0.5, abs=0.01)
    assert torch.equal(at(STEPS["amplitude"], 0, 200)[:50], at(STEPS["amplitude"], 0, 256)[:50])


def test_nobody_is_none() -> None:
    rare = Step.of("gaussian_noise", probability=1e-9)
    assert Clock(0, 0, 1, 1, micro=0).strengths(rare, 0, 8, 1.0, torch.device("cpu")) is None


def test_everywhere_is_said_only_where_it_is_sure() -> None:
    clock = Clock(0, 0, 10, 20, micro=0)
    assert clock.everywhere(Step.of("gaussian_noise"), 1.0)
    assert not any(clock.everywhere(s, 1.0) for s in STEPS.values())
    assert not clock.everywhere(Step.of("gaussian_noise", magnitude="uniform"), 1.0)
    by_chance = Step.of("horizontal_flip", schedule="ramp_up")
    assert by_chance.technique.multiplier == "probability"
    assert not clock.everywhere(by_chance, 1.0)
    clock.update = 199
    assert clock.everywhere(by_chance, 1.0)
