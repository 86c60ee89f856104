from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autonoise.policy import Policy, Step
from autonoise.techniques.vrex import Vrex

HARD = torch.tensor([[1.0, 0.0]])
CLEAN, HALF, NOISY = (torch.tensor([[v, 0.0]]) for v in (3.0, 1.0, -1.0))


def view(
    strength: float = 1.0, targets: torch.Tensor = HARD, noisy: torch.Tensor = NOISY, mixed: bool = False
) -> SimpleNamespace:
    asked: list[float] = []

    def again(multiplier: float = 1.0) -> str:
        asked.append(multiplier)
        return "half" if multiplier == 0.5 else "noisy"

    return SimpleNamespace(
        clean="clean",
        clean_targets=HARD,
        targets=targets,
        logits=noisy,
        strength=strength,
        asked=asked,
        again=again,
        forward=lambda batch: {"clean": CLEAN, "half": HALF, "noisy": NOISY}[batch],
        loss=F.cross_entropy,
        mixed=mixed,
    )


def risks() -> torch.Tensor:
    return torch.stack([F.softplus(-torch.tensor(v)) for v in (3.0, 1.0, -1.0)])


def test_a_small_penalty_adds_the_variance_of_the_risks() -> None:
    step = view(strength=0.5)
    variance = risks().numpy().var()
    assert Vrex(penalty=0.4).extra_loss(step).item() == pytest.approx(0.2 * variance)
    assert step.asked == [0.5]


def test_a_large_penalty_divides_the_whole_loss() -> None:
    main = F.softplus(torch.tensor(1.0)).item()
    total = main + Vrex(penalty=50.0).extra_loss(view()).item()
    assert total == pytest.approx((main + 50 * risks().numpy().var()) / 50, rel=1e-5)


def test_smoothed_and_flipped_targets_are_no_risk_of_the_noise() -> None:
    """Every environment is judged by the label as given; the main loss alone has the softened one."""
    for targets in (torch.tensor([[0.9, 0.1]]), torch.tensor([[0.0, 1.0]])):
        extra = Vrex(penalty=0.4).extra_loss(view(targets=targets))
        assert extra.item() == pytest.approx(0.4 * risks().numpy().var())


def test_rows_mixed_in_pairs_get_a_noisy_environment_of_their_own() -> None:
    step = view(mixed=True, noisy=torch.tensor([[7.0, 0.0]]), targets=torch.tensor([[0.6, 0.4]]))
    assert Vrex(penalty=0.4).extra_loss(step).item() == pytest.approx(0.4 * risks().numpy().var())
    assert step.asked == [0.5, 1.0]


def test_targets_that_are_given_soft_and_other_losses_count_as_they_are() -> None:
    step = view()
    step.clean_targets = step.targets = torch.tensor([[0.7, 0.3]])
    step.loss = lambda logits, y: (y - logits.softmax(1)).abs().sum(1).mean()
    p = 1 / (1 + torch.tensor([-3.0, -1.0, 1.0]).exp())
    assert Vrex(penalty=0.4).extra_loss(step).item() == pytest.approx(0.4 * (2 * (0.7 - p).abs()).numpy().var())


def test_the_gradient_pulls_the_environments_together() -> None:
    noisy = NOISY.clone().requires_grad_(True)
    step = view(noisy=noisy)
    total = Vrex(penalty=1000.0).extra_loss(step) + step.loss(step.logits, step.targets)
    total.backward()
    assert noisy.grad[0, 0] < 0
    assert Vrex().passes == 3


def test_the_number_of_passes_is_the_number_of_times_the_model_runs() -> None:
    """Three, and a fourth beside steps that mix pairs, which is counted by running the model."""
    noise, vrex, mixup = Step.of("gaussian_noise"), Step.of("vrex"), Step.of("mixup")
    for steps, passes in [((noise, vrex), 3), ((noise, vrex, mixup), 4), ((noise, vrex, Step.of("cutmix")), 4)]:
        data_type = "image" if steps[-1].name == "cutmix" else "tabular"
        policy = Policy(data_type, steps)
        assert policy.passes == passes
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        x = torch.rand(8, 1, 4, 4) if data_type == "image" else torch.randn(8, 16)
        ran: list[int] = []
        model.register_forward_hook(lambda *_, ran=ran: ran.append(1))
        with policy.attach(model, epochs=1, steps_per_epoch=1) as injector:
            injector.training_step(x, torch.arange(8) % 2, torch.optim.SGD(model.parameters(), lr=0.1))
        assert len(ran) == passes
    gated = Policy("tabular", (noise, Step.of("vrex", gate=2), mixup))
    assert gated.passes == 1 + 3 / 2
    # a second gradient repeats all four
    assert Policy("tabular", (noise, vrex, mixup, Step.of("sam"))).passes == 8
