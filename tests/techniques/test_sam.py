from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from autonoise.techniques.sam import SAM


def view(weights: list[nn.Parameter], loss, strength: float = 1.0) -> tuple[SimpleNamespace, list]:
    seen: list = []

    def backward_again() -> None:
        seen.append([w.detach().clone() for w in weights])
        for w in weights:
            w.grad = None
        loss(*weights).backward()

    loss(*weights).backward()
    return SimpleNamespace(parameters=lambda: iter(weights), strength=strength, backward_again=backward_again), seen


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_the_gradient_is_that_at_the_worst_nearby_weights(strength: float) -> None:
    a, b = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([2.0]))
    # loss = a^2 + 2 b^2: gradient (6, 8), norm 10; rho .1 moves by (.06, .08)
    step, seen = view([a, b], lambda a, b: (a**2 + 2 * b**2).sum(), strength)
    SAM(rho=0.1).after_backward(step)
    moved = [3 + 0.06 * strength, 2 + 0.08 * strength]
    assert [w.item() for w in seen[0]] == pytest.approx(moved)
    assert [a.item(), b.item()] == [3, 2]
    assert [a.grad.item(), b.grad.item()] == pytest.approx([2 * moved[0], 4 * moved[1]])


def test_adaptive_scales_with_the_weights() -> None:
    a, b = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([-1.0]))
    # loss = a + 4 b: gradient (1, 4): |w| g = (3, 4), norm 5, e = rho (|w| |w| g) / 5 = rho (9, 4) / 5
    step, seen = view([a, b], lambda a, b: (a + 4 * b).sum())
    SAM(rho=0.5, kind="adaptive").after_backward(step)
    assert [w.item() for w in seen[0]] == pytest.approx([3.9, -0.6])
    assert [a.item(), b.item()] == [3, -1]


def test_weights_come_back_bit_for_bit_even_when_the_second_pass_fails() -> None:
    w = nn.Parameter(torch.randn(1000, generator=torch.Generator().manual_seed(0)))
    before = w.detach().clone()
    step, _ = view([w], lambda w: (w**3).sum())

    def fail() -> None:
        raise RuntimeError("out of memory")

    step.backward_again = fail
    with pytest.raises(RuntimeError, match="out of memory"):
        SAM(rho=0.5).after_backward(step)
    assert torch.equal(w, before)


def test_a_zero_gradient_moves_nothing() -> None:
    w = nn.Parameter(torch.ones(3))
    step, seen = view([w], lambda w: (0 * w).sum())
    SAM().after_backward(step)
    assert torch.equal(seen[0][0], torch.ones(3))
    assert SAM().passes == 2
