"""Progress, the numbers drawn at each point of training, and how often steps act."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.injector.clock import DRAW, LEAF, Clock
from autonoise.ops.random import seed_from
from autonoise.policy import Policy, Step
from autonoise.technique.schedule import Gate, Schedule

CPU = torch.device("cpu")


def clock(update: int = 0, micro: int = 0, *, seed: int = 0, rank: int = 0) -> Clock:
    return Clock(seed, rank, epochs=5, steps_per_epoch=4, update=update, micro=micro)


def drawn(step: Step, size: int = 20_000, knob: float = 1.0, at: Clock | None = None) -> Tensor:
    values = (at or clock()).strengths(step, 0, size, knob, CPU)
    return torch.zeros(size) if values is None else values


def test_progress_runs_from_0_to_1_and_stops() -> None:
    assert [clock(u).progress for u in (0, 1, 10, 19, 20, 500)] == [0, 1 / 19, 10 / 19, 1, 1, 1]
    assert [clock(u).epoch for u in (0, 3, 4, 19)] == [0, 0, 1, 4]
    assert Clock(0, 0, 1, 1).progress == 0


def test_a_training_that_ends_within_an_epoch() -> None:
    clock = Clock(0, 0, epochs=3, steps_per_epoch=4, total=9)
    assert clock.planned == 9
    seen = []
    for update in range(11):
        clock.update = update
        seen.append((round(clock.progress, 4), clock.epoch))
    assert seen[:3] == [(0.0, 0), (0.125, 0), (0.25, 0)]
    assert seen[7:] == [(0.875, 1), (1.0, 2), (1.0, 2), (1.0, 2)]


@pytest.mark.parametrize(("probability", "slack"), [(0.1, 0.009), (0.5, 0.014), (0.93, 0.007)])
def test_probability_is_realised_per_sample(probability: float, slack: float) -> None:
    """Of 20,000 rows, within four standard deviations of the binomial: 4 sqrt(p (1 - p) / 20000)."""
    values = drawn(Step.of("gaussian_noise", probability=probability))
    assert set(values.tolist()) == {0.0, 1.0}
    assert abs(float(values.mean()) - probability) < slack


def test_amplitude_scales_with_schedule_and_knob() -> None:
    step = Step.of("gaussian_noise", schedule=Schedule("ramp_up"))
    assert torch.equal(drawn(step, 4, knob=2.0, at=clock(19)), torch.full((4,), 2.0))
    assert drawn(step, 4, at=clock(0)).sum() == 0
    assert drawn(step, 4, at=clock(10)).tolist() == pytest.approx([10 / 19] * 4)


def test_where_the_multiplier_is_a_probability_strength_is_0_or_1() -> None:
    step = Step.of("horizontal_flip", probability=0.8, magnitude="uniform", schedule=Schedule("ramp_up"))
    values = drawn(step, at=clock(10))
    assert set(values.tolist()) == {0.0, 1.0}
    expected = 0.8 * 10 / 19
    assert abs(float(values.mean()) - expected) < 4 * (expected * (1 - expected) / 20_000) ** 0.5


def test_uniform_magnitude() -> None:
    """U(0, 1) on the rows that act: mean 1/2 and variance 1/12 of them."""
    values = drawn(Step.of("gaussian_noise", probability=0.5, magnitude="uniform"))
    acting = values[values > 0]
    assert 0.48 < acting.numel() / 20_000 < 0.52
    assert abs(float(acting.mean()) - 0.5) < 0.012
    assert abs(float(acting.var()) - 1 / 12) < 0.003
    assert float(acting.max()) < 1


def test_gates_and_zero() -> None:
    gated = Step.of("gaussian_noise", gate=Gate(3))
    acts = [clock(u).strengths(gated, 0, 2, 1.0, CPU) is not None for u in range(5)]
    assert acts == [True, False, False, True, False]
    epochs = Step.of("gaussian_noise", gate=Gate(2, "epoch"))
    assert [clock(u).multiplier(epochs, 1.0) for u in (0, 3, 4, 7, 8)] == [1, 1, 0, 0, 1]
    assert clock().strengths(Step.of("gaussian_noise", probability=0.0), 0, 2, 1.0, CPU) is None
    assert clock().strengths(Step.of("gaussian_noise"), 0, 2, 0.0, CPU) is None


def test_every_part_of_the_key_matters() -> None:
    def number(at: Clock, index: int = 0, purpose: int = LEAF, extra: int = 0) -> int:
        return int(torch.randint(2**62, (1,), generator=at.rng(index, purpose, extra)))

    drawn_numbers = [
        number(clock()), number(clock(seed=1)), number(clock(rank=1)), number(clock(1)), number(clock(0, 1)),
        number(clock(), 1), number(clock(), 0, DRAW), number(clock(), 0, LEAF, 1),
    ]  # fmt: skip
    assert len(set(drawn_numbers)) == len(drawn_numbers)
    assert number(clock()) == drawn_numbers[0]
    assert seed_from(0, 1) != seed_from(1, 0)
    assert 0 <= seed_from(2**64, -1) < 2**63


def test_decisions_per_update_are_shared() -> None:
    """Replicas that disagree on whether to take a second gradient would wait for each other for ever."""
    step = Step.of("sam", probability=0.5)
    places = [(rank, micro) for rank in (0, 3) for micro in (0, 2)]
    decisions = [[clock(u, micro, rank=rank).strength(step, 0, 1.0) for u in range(40)] for rank, micro in places]
    assert all(d == decisions[0] for d in decisions)
    assert 8 < sum(decisions[0]) < 32


def test_order_of_stages_in_a_policy() -> None:
    names = ["sam", "mixup", "gradient_noise", "gaussian_noise", "label_smoothing", "dropout", "fgsm", "cutout"]
    policy = Policy("image", [Step.of(n) for n in names])  # type: ignore[arg-type]
    assert [s.name for s in policy.steps] == [
        "gaussian_noise", "cutout", "fgsm", "label_smoothing", "mixup", "dropout", "gradient_noise", "sam",
    ]  # fmt: skip


def test_strengths_that_were_first_asked_for_in_inference_mode_may_train() -> None:
    at, step = clock(), Step.of("gaussian_noise")
    with torch.inference_mode():
        at.drawn(step, 0, 77, 0.7)
    weight = torch.ones(77, requires_grad=True)
    strength = at.drawn(step, 0, 77, 0.7)
    assert strength is not None
    (weight * strength).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == pytest.approx([0.7] * 77)
