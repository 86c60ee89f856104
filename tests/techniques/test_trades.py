from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autonoise.ops.random import generator
from autonoise.policy import Policy, Step
from autonoise.techniques.trades import Trades
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(6,), classes=3, numeric=tuple(range(6)))
X, Y = torch.randn(4, 6, generator=generator(1)), torch.arange(4) % 3


def test_the_divergence_pulls_both_views() -> None:
    logits = torch.randn(2, 5, 3, generator=generator(2), dtype=torch.float64).requires_grad_(True)
    loss = Trades(weight=6.0).compare(logits)
    p, q = logits.detach().softmax(2)
    assert loss.item() == pytest.approx(6 * (p * (p / q).log()).sum(1).mean().item())
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and logits.grad[0].abs().min() > 0
    assert torch.allclose(logits.grad[1], 6 * (q - p) / 5)


def test_the_points_at_which_the_gradient_is_taken() -> None:
    """From x and a little normal noise, by 2.5 eps / steps each, never further than eps from x."""
    points: list[Tensor] = []
    slope = torch.tensor([1.0, -1.0, 1.0, 1.0, -2.0, 0.0])

    def gradient(z: Tensor) -> Tensor:
        points.append(z - X)
        return slope.expand_as(z)

    out = Trades(eps=0.31, steps=5).move(X, gradient=gradient, rng=generator(0), info=BatchInfo(SPEC)) - X
    assert len(points) == 5
    assert points[0].std().item() == pytest.approx(0.01, rel=0.4)  # a thirty-first of eps
    assert torch.allclose(points[1] - points[0], 0.155 * slope.sign().expand(4, 6), atol=1e-6)
    assert torch.allclose(out[:, :5], 0.31 * slope.sign()[:5].expand(4, 5), atol=1e-6)
    assert torch.allclose(out[:, 5], points[0][:, 5], atol=1e-6)


def test_the_neighbour_differs_more_than_one_at_random() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
    # an even number, after which steps in the wrong direction would be back at x
    policy = Policy("tabular", (Step.of("trades", eps=0.3, steps=4),))
    x, _ = policy.attach(model, epochs=1, steps_per_epoch=1, input=SPEC).perturb(X, Y)
    assert isinstance(x, Tensor) and (x[4:] - X).abs().max().item() <= 0.3 + 1e-6

    def divergence(other: Tensor) -> float:
        p, q = model(X).log_softmax(1), model(other).log_softmax(1)
        return (p.exp() * (p - q)).sum(1).mean().item()

    signs = (torch.randint(2, (20, 4, 6), generator=generator(3)) * 2 - 1) * 0.3
    assert divergence(x[4:]) > max(divergence(X + s) for s in signs)


def test_missing_values_stay_missing() -> None:
    x = X.clone()
    x[0, 2] = float("nan")
    seen = []

    def forward(model: nn.Module, batch: Tensor) -> Tensor:
        seen.append(batch)
        out: Tensor = model(torch.nan_to_num(batch))
        return out

    policy = Policy("tabular", (Step.of("trades", eps=0.3),))
    injector = policy.attach(nn.Linear(6, 3), epochs=1, steps_per_epoch=1, input=SPEC, forward=forward)
    out, _ = injector.perturb(x, Y)
    assert isinstance(out, Tensor) and torch.equal(torch.isnan(out), torch.isnan(x).repeat(2, 1))
    assert all(torch.isnan(b[0, 2]) for b in seen)
