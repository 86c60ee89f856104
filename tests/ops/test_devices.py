"""Small numbers from the CPU, and draws that decide what is done next."""

from __future__ import annotations

import torch

from autonoise.ops.devices import constant, on_device
from autonoise.ops.random import generator, on_cpu, picks

CPU = torch.device("cpu")


def test_constants_are_kept_and_told_apart() -> None:
    first = constant((1, 0, 1), torch.bool, CPU)
    assert first.tolist() == [True, False, True]
    assert constant((True, False, True), torch.bool, CPU) is first
    assert constant((1, 0, 1), torch.float32, CPU).tolist() == [1.0, 0.0, 1.0]
    assert constant(((0.5, 2.0), (3.0, 4.0)), torch.float64, CPU).shape == (2, 2)
    with torch.inference_mode():
        made = constant((7.0, 5.0), torch.float32, CPU)
    assert not made.is_inference()


def test_what_is_there_already_is_not_copied() -> None:
    x = torch.ones(3)
    assert on_device(x, CPU) is x


def test_picks_are_draws_of_the_generator_on_a_cpu() -> None:
    rng = generator(5)
    assert on_cpu(rng) is rng
    made = picks(4, 1000, rng, low=-1)
    assert torch.equal(made, torch.randint(-1, 4, (1000,), generator=generator(5)))
    assert set(made.tolist()) == {-1, 0, 1, 2, 3}
    assert not torch.equal(made, picks(4, 1000, rng, low=-1))
