from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.weight_noise import WeightNoise

W = torch.tensor([1.0, -1.0, 0.0, 2.0]).repeat(10_000).reshape(200, 200)
RMS = (6 / 4) ** 0.5


def test_additive_noise_is_relative_to_the_rms_of_the_weight() -> None:
    noise = WeightNoise(sigma=0.1).perturb(W, strength=0.5, rng=generator(0)) - W
    assert noise.std() == pytest.approx(0.05 * RMS, rel=0.02)
    assert noise[W == 0].std() == pytest.approx(0.05 * RMS, rel=0.03)


def test_multiplicative_noise_grows_with_each_weight() -> None:
    noise = WeightNoise(sigma=0.1, kind="multiplicative").perturb(W, strength=0.5, rng=generator(0)) - W
    assert [noise[value == W].std().item() for value in (0, 1, 2)] == pytest.approx([0, 0.05, 0.1], rel=0.03)


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_strength_zero_is_the_identity_in_half_precision_too(kind: str) -> None:
    w = W.half()
    out = WeightNoise(kind=kind).perturb(w, strength=0.0, rng=generator(0))
    assert torch.equal(out, w)
    assert out.dtype == torch.float16


def test_gradients_reach_the_clean_weight() -> None:
    w = torch.ones(30, requires_grad=True)
    WeightNoise(sigma=1.0).perturb(w, strength=1.0, rng=generator(0)).sum().backward()
    assert torch.equal(w.grad, torch.ones(30))
    v = torch.full((30,), 3.0, requires_grad=True)
    out = WeightNoise(sigma=1.0, kind="multiplicative").perturb(v, strength=1.0, rng=generator(0))
    out.sum().backward()
    assert torch.allclose(v.grad, out.detach() / 3)
