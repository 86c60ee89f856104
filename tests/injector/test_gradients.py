"""Gradient noise has the size that was asked for, whoever scales, unscales, clips or recomputes the gradients.

Everywhere: plain gradients are known by hand, the optimiser is SGD with rate 1, so that the step is minus the
gradient that the optimiser used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step

ETA = 0.25
"""Of the first update: noise of deviation sqrt(.25) = .5."""
WIDE = 4000
SCALE = 65536.0


def attached(
    optimizer_of: Callable[..., torch.optim.Optimizer], **options: Any
) -> tuple[NoiseInjector, nn.Linear, torch.optim.Optimizer]:
    model = nn.Linear(WIDE, 2, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = optimizer_of(model.parameters(), lr=1.0, **options)
    policy = Policy("tabular", [Step.of("gradient_noise", eta=ETA)])
    return policy.attach(model, epochs=1, steps_per_epoch=4, optimizer=optimizer), model, optimizer


def noise_of(model: nn.Linear) -> Tensor:
    """What the step added to minus the plain gradient, which is 1 for the first output and 2 for the second."""
    return -model.weight.detach() - torch.tensor([[1.0], [2.0]])


def loss_of(model: nn.Linear) -> Tensor:
    return (model(torch.ones(1, WIDE)) * torch.tensor([1.0, 2.0])).sum()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unscaled_before", [False, True])
def test_under_a_gradient_scaler(fused: bool, unscaled_before: bool) -> None:
    injector, model, optimizer = attached(torch.optim.SGD, fused=fused)
    assert getattr(optimizer, "_step_supports_amp_scaling", False) == fused
    scaler = torch.amp.GradScaler(device="cpu", init_scale=SCALE)
    scaler.scale(loss_of(model)).backward()
    if unscaled_before:
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    injector.step()
    noise = noise_of(model)
    assert float(noise.std()) == pytest.approx(0.5, rel=0.05)
    assert float(noise.mean()) == pytest.approx(0, abs=0.03)


def test_a_fused_optimiser_and_a_plain_one_get_the_same_noise() -> None:
    weights = []
    for fused in (False, True):
        _, model, optimizer = attached(torch.optim.SGD, fused=fused)
        scaler = torch.amp.GradScaler(device="cpu", init_scale=SCALE)
        scaler.scale(loss_of(model)).backward()
        scaler.step(optimizer)
        weights.append(model.weight.detach().clone())
    assert torch.allclose(*weights, atol=1e-5)


def test_an_optimiser_that_takes_the_scaler_itself_is_refused() -> None:
    class Own(torch.optim.SGD):
        def step(self, closure: Any = None, grad_scaler: Any = None) -> Any:
            return super().step(closure)

    _, model, optimizer = attached(Own)
    loss_of(model).backward()
    with pytest.raises(AttachError, match=r"takes the GradScaler itself .* bfloat16"):
        optimizer.step(grad_scaler=torch.amp.GradScaler(device="cpu"))  # type: ignore[call-arg]


@pytest.mark.parametrize("keyword", [False, True])
def test_noise_follows_the_closure_that_computes_the_gradients(keyword: bool) -> None:
    """Lightning gives every optimiser a closure; noise from before it would be wiped out by its zero_grad."""
    _, model, optimizer = attached(torch.optim.SGD)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    returned = optimizer.step(closure=closure) if keyword else optimizer.step(closure)
    assert float(noise_of(model).std()) == pytest.approx(0.5, rel=0.05)
    assert float(returned.detach()) == 0  # of zero weights


def test_accumulated_and_clipped_gradients_get_the_noise_once_and_whole() -> None:
    injector, model, optimizer = attached(torch.optim.SGD)
    for _ in range(3):
        injector.perturb(torch.ones(1, WIDE), torch.zeros(1, dtype=torch.long))
        loss_of(model).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    clipped = model.weight.grad.clone()  # type: ignore[union-attr]
    assert float(clipped.norm()) == pytest.approx(1, rel=1e-3)
    optimizer.step()
    noise = -model.weight.detach() - clipped
    assert float(noise.std()) == pytest.approx(0.5, rel=0.05)
