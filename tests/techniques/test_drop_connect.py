from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.drop_connect import DropConnect


@pytest.mark.parametrize(("strength", "rate"), [(0.5, 0.2), (1.0, 0.4), (9.0, 0.95)])
def test_the_realised_rate_and_scale(strength: float, rate: float) -> None:
    w = torch.ones(300, 200)
    out = DropConnect(p=0.4).perturb(w, strength=strength, rng=generator(0))
    assert (out == 0).float().mean() == pytest.approx(rate, abs=0.01)
    assert out.max() == pytest.approx(1 / (1 - rate))


def test_dropped_weights_get_no_gradient_and_zero_is_the_identity() -> None:
    w = torch.ones(50, requires_grad=True)
    out = DropConnect(p=0.5).perturb(w, strength=1.0, rng=generator(0))
    out.sum().backward()
    assert torch.equal(w.grad, out.detach())
    assert torch.equal(DropConnect(p=0.5).perturb(w, strength=0.0, rng=generator(0)), w)
