from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autonoise.ops.random import generator
from autonoise.policy import Policy, Step
from autonoise.techniques.vat import VAT
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(6,), classes=3, numeric=tuple(range(6)))
WEIGHTS = torch.randn(3, 6, generator=generator(0))
X, Y = torch.randn(4, 6, generator=generator(1)), torch.arange(4) % 3


def linear() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 3, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(WEIGHTS)
    return model


def moved(**parameters: float) -> Tensor:
    """What VAT makes of X for a linear model."""
    steps = (Step.of("vat", **parameters),)
    injector = Policy("tabular", steps).attach(linear(), epochs=1, steps_per_epoch=1, input=SPEC)
    x, _ = injector.perturb(X, Y)
    assert isinstance(x, Tensor) and torch.equal(x[:4], X)
    return x[4:] - X


def test_the_direction_is_that_of_the_largest_curvature() -> None:
    """For logits W x the divergence of a small r is r' H r / 2 with H = W' (diag(p) - p p') W."""
    r = moved(eps=0.01, iterations=10)
    for row, change in zip(X, r, strict=True):
        p = (WEIGHTS @ row).softmax(0)
        curvature = WEIGHTS.T @ (torch.diag(p) - torch.outer(p, p)) @ WEIGHTS
        top = torch.linalg.eigh(curvature).eigenvectors[:, -1]
        assert abs(torch.dot(top, change / change.norm()).item()) == pytest.approx(1, abs=1e-3)


def test_the_size_is_eps_for_each_value() -> None:
    r = moved(eps=0.2)
    assert torch.allclose(r.norm(dim=1), torch.full((4,), 0.2 * 6**0.5), rtol=1e-4)


def test_values_that_may_not_move_stay_and_do_not_count() -> None:
    valid = torch.tensor([[True] * 4 + [False] * 2])
    step = VAT(eps=0.2)
    out = step.move(X, gradient=lambda z: z @ WEIGHTS.T @ WEIGHTS, rng=generator(0), info=BatchInfo(SPEC, valid=valid))
    change = out - X
    assert torch.equal(change[:, 4:], torch.zeros(4, 2))
    assert torch.allclose(change.norm(dim=1), torch.full((4,), 0.2 * 4**0.5), rtol=1e-4)


def test_rows_without_a_gradient_stay() -> None:
    out = VAT().move(X, gradient=torch.zeros_like, rng=generator(0), info=BatchInfo(SPEC))
    assert torch.equal(out, X)


def test_the_divergence_and_that_nothing_flows_through_the_first_view() -> None:
    logits = torch.randn(2, 5, 3, generator=generator(2), dtype=torch.float64).requires_grad_(True)
    loss = VAT(weight=2.0).compare(logits)
    p, q = logits.detach().softmax(2)
    assert loss.item() == pytest.approx(2 * (p * (p / q).log()).sum(1).mean().item())
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and torch.equal(logits.grad[0], torch.zeros(5, 3, dtype=torch.float64))
    assert torch.allclose(logits.grad[1], 2 * (q - p) / 5)


def test_dropout_of_the_model_does_not_decide_about_the_direction() -> None:
    """With new masks in each pass the gradient would be that of the difference between masks, not of r."""
    model = nn.Sequential(nn.Dropout(0.5), linear()[0])
    seen = []
    model[0].register_forward_hook(lambda _, args, out: seen.append((out == 0) & (args[0] != 0)))
    torch.manual_seed(4)
    before = torch.get_rng_state()
    injector = Policy("tabular", (Step.of("vat", iterations=2),)).attach(model, epochs=1, steps_per_epoch=1, input=SPEC)
    injector.perturb(X, Y)
    assert len(seen) == 3 and seen[0].any() and all(torch.equal(m, seen[0]) for m in seen)
    assert torch.equal(before, torch.get_rng_state())


def test_batch_norm_learns_from_the_batch_alone() -> None:
    model = nn.Sequential(nn.BatchNorm1d(6), linear()[0])
    injector = Policy("tabular", (Step.of("vat"),)).attach(model, epochs=1, steps_per_epoch=1, input=SPEC)
    x, _ = injector.perturb(X, Y)
    assert model[0].num_batches_tracked == 0
    model(x)
    assert model[0].num_batches_tracked == 1
