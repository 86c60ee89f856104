"""A policy's noise at one point of training: what its schedule leaves of it, by the code that trains."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autonoise import InputSpec, Policy, Schedule, Step
from autonoise.injector.moment import noisy_batch, noisy_texts, seen_in_input
from autonoise.injector.raw import RawTransform

SPEC = InputSpec(data_type="timeseries", layout=(2, 12), classes=3, scale="standardised")
X = torch.randn(8, 2, 12, generator=torch.Generator().manual_seed(0))
Y = torch.arange(8) % 3


def at(policy: Policy, t: float, seed: int = 3) -> tuple[Tensor, Tensor]:
    x, y = noisy_batch(policy, X, Y, SPEC, progress=t, seed=seed)
    assert isinstance(x, Tensor)
    return x, y


def noise(**timing: object) -> Policy:
    return Policy("timeseries", [Step.of("gaussian_noise", std=0.5, **timing)])  # type: ignore[arg-type]


def test_only_the_strength_differs_between_the_points() -> None:
    ramp = noise(schedule="ramp_up")
    start, middle, end = (at(ramp, t)[0] - X for t in (0.0, 0.5, 1.0))
    assert not start.any()
    torch.testing.assert_close(middle, end / 2)
    assert 0.3 < float(end.std()) < 0.7
    torch.testing.assert_close(at(ramp.scaled(0.5), 1.0)[0] - X, end / 2)
    assert not torch.equal(at(ramp, 1.0, seed=4)[0] - X, end)


def test_the_limits_of_a_window_and_a_gate_do_not_hide_a_step() -> None:
    window = noise(schedule=Schedule("window", 0.5, 1.0), gate=7)
    assert [bool((at(window, t)[0] != X).any()) for t in (0.0, 0.49, 0.5, 1.0)] == [False, False, True, True]


def test_a_probability_that_grows_keeps_the_rows_it_has() -> None:
    half = noise(probability=0.5, schedule="ramp_up")
    rows = [(at(half, t)[0] != X).flatten(1).any(1) for t in (0.25, 1.0)]
    assert torch.equal(rows[0], rows[1]) and 0 < int(rows[1].sum()) < 8


def test_it_is_the_first_batch_of_training() -> None:
    steps = [Step.of("gaussian_noise", std=0.3), Step.of("mixup", probability=0.5), Step.of("label_smoothing")]
    policy = Policy("timeseries", steps, input=SPEC)
    model = nn.Sequential(nn.Flatten(), nn.Linear(24, 3))
    with policy.attach(model, epochs=2, steps_per_epoch=3, seed=3, input=SPEC) as injector:
        x, y = injector.perturb(X, Y)
    shown, labels = at(policy, 0.0)
    assert isinstance(x, Tensor)
    assert torch.equal(x, shown) and torch.equal(y, labels)


def test_what_needs_a_model_is_left_out_and_labels_stay_where_nothing_changes_them() -> None:
    policy = Policy("timeseries", [Step.of("fgsm"), Step.of("dropout"), Step.of("weight_noise"), Step.of("sam")])
    x, y = at(policy, 1.0)
    assert torch.equal(x, X) and y is Y
    assert [seen_in_input(s, policy) for s in policy.steps] == [False] * 4


@pytest.mark.parametrize(
    ("data_type", "step", "seen"),
    [
        ("image", Step.of("mixup"), True),
        ("image", Step.of("mixup", site="late_norm"), False),
        ("text", Step.of("mixup"), False),
        ("text", Step.of("character_typos"), True),
        ("image", Step.of("label_smoothing"), False),
    ],
)
def test_what_can_be_seen_in_the_input(data_type: str, step: Step, seen: bool) -> None:
    assert seen_in_input(step, Policy(data_type, [step])) is seen  # type: ignore[arg-type]


def test_strings_follow_the_schedule_too() -> None:
    texts = ["the quick brown fox jumps over the lazy dog"] * 6

    def typos(schedule: str) -> Policy:
        return Policy("text", [Step.of("character_typos", fraction=0.2, schedule=schedule)])

    ramp = typos("ramp_up")
    assert noisy_texts(ramp, texts, range(6), progress=0.0, seed=1) == texts
    end = noisy_texts(ramp, texts, range(6), progress=1.0, seed=1)
    assert end == RawTransform(typos("constant"), epochs=1, seed=1).many(texts, range(6))
    assert len(set(end)) == 6
    middle = noisy_texts(ramp, texts, range(6), progress=0.5, seed=1)
    assert noisy_texts(ramp.scaled(0.5), texts, range(6), progress=1.0, seed=1) == middle
    assert 0 < sum(map(_wrong, middle)) < sum(map(_wrong, end))


def _wrong(text: str) -> int:
    known = {"the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog"}
    return sum(word not in known for word in text.split())
