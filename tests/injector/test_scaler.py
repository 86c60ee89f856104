"""``training_step`` with a gradient scaler: the update is that of a training without one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.amp import GradScaler

from autonoise.errors import AttachError
from autonoise.policy import Policy, Step

X = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
Y = torch.arange(8) % 3
STEPS: dict[str, list[Step]] = {
    "plain": [Step.of("gaussian_noise")],
    "clipped": [Step.of("gaussian_noise")],
    "gradient": [Step.of("gradient_noise", eta=0.5)],
    "sam": [Step.of("sam", rho=0.5)],
    "sam-adaptive": [Step.of("sam", rho=5.0, kind="adaptive")],
    "head": [Step.of("denoising_autoencoder", weight=5.0)],
    "views": [Step.of("gaussian_noise"), Step.of("two_view_consistency")],
    "attack": [Step.of("pgd")],
}


def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


def updated(case: str, scaler: GradScaler | None, *, by_optimizer: bool = False) -> tuple[float, list[Tensor]]:
    """(loss, parameters of model and heads) after two updates."""
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    options = {"optimizer": optimizer} if by_optimizer else {}
    injector = Policy("tabular", STEPS[case]).attach(model, epochs=1, steps_per_epoch=3, **options)  # type: ignore[arg-type]
    for _ in range(2):
        loss = injector.training_step(X, Y, optimizer, max_norm=0.05 if case == "clipped" else None, scaler=scaler)
    heads = [v for s in injector.heads.state_dict().values() for v in s["head"].values()]
    return float(loss), [*(p.detach() for p in model.parameters()), *heads]


@pytest.mark.parametrize("by_optimizer", [False, True])
@pytest.mark.parametrize("case", STEPS)
def test_the_scale_cancels(case: str, by_optimizer: bool) -> None:
    expected = updated(case, None, by_optimizer=by_optimizer)
    for scaler in (GradScaler("cpu", init_scale=1024.0), GradScaler("cpu", enabled=False)):
        got = updated(case, scaler, by_optimizer=by_optimizer)
        assert got[0] == pytest.approx(expected[0])
        assert len(got[1]) == len(expected[1]) > 3
        for a, b in zip(got[1], expected[1], strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_heads_learn_from_gradients_without_the_scale() -> None:
    """Their optimiser hardly minds the size of gradients, so this is seen in the gradients alone."""
    found = []
    for scaler in (None, GradScaler("cpu", init_scale=1024.0)):
        model = net()
        injector = Policy("tabular", STEPS["head"]).attach(model, epochs=1, steps_per_epoch=3)  # type: ignore[arg-type]
        injector.training_step(X, Y, torch.optim.SGD(model.parameters(), lr=0.1), scaler=scaler)
        (head,) = injector.heads._modules.values()
        found.append([p.grad for p in head.parameters()])
    for plain, scaled in zip(*found, strict=True):
        assert torch.allclose(plain, scaled, rtol=1e-4)


@pytest.mark.parametrize("case", ["plain", "gradient", "sam", "head"])
def test_an_update_that_overflows_is_left_out_and_the_scale_is_halved(case: str) -> None:
    """2^127 times a loss of a thousand is no float32 any more."""
    model, scaler = net(), GradScaler("cpu", init_scale=2.0**127)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    options: dict[str, Any] = {"loss": lambda logits, y: 1e3 * F.cross_entropy(logits, y)}
    with Policy("tabular", STEPS[case]).attach(model, epochs=1, steps_per_epoch=3, **options) as injector:  # type: ignore[arg-type]
        loss = injector.training_step(X, Y, optimizer, scaler=scaler)
        assert torch.isfinite(loss)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        assert scaler.get_scale() == 2.0**126
        assert injector.clock.update == 1
        heads: list[Any] = [v for s in injector.heads.state_dict().values() for v in s["head"].values()]
        assert all(bool(torch.isfinite(v).all()) for v in heads)
        assert not any(s["optimizer"]["state"] for s in injector.heads.state_dict().values())


def test_half_precision_with_autocast_trains() -> None:
    model, scaler = net(), GradScaler("cpu", init_scale=256.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.float16):
            out: Tensor = model(x)
        return out

    policy = Policy("tabular", [Step.of("gaussian_noise", std=0.05)])  # type: ignore[arg-type]
    injector = policy.attach(model, epochs=1, steps_per_epoch=20, forward=forward)
    losses = [float(injector.training_step(X, Y, optimizer, scaler=scaler)) for _ in range(20)]
    assert losses[-1] < 0.7 * losses[0]
    assert scaler.get_scale() == 256.0


def test_another_kind_of_scaler_is_refused() -> None:
    model = net()
    injector = Policy("tabular", STEPS["plain"]).attach(model, epochs=1, steps_per_epoch=3)  # type: ignore[arg-type]
    with pytest.raises(AttachError, match=r"must be a torch.amp.GradScaler, but got float: .* three lines"):
        injector.training_step(X, Y, torch.optim.SGD(model.parameters()), scaler=1024.0)  # type: ignore[arg-type]
