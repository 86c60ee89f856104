from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.gradient_noise import GradientNoise


@pytest.mark.parametrize(
    ("update", "strength", "sigma"), [(0, 1.0, 0.2), (15, 1.0, 0.2 / 4**0.5), (255, 0.5, 0.1 / 16**0.5)]
)
def test_sigma_falls_as_the_paper_says(update: int, strength: float, sigma: float) -> None:
    # eta .04, gamma .5: sigma^2 = .04 / sqrt(1 + t), so sigma = .2 / (1 + t)^(1/4)
    g = torch.full((100, 100), 3.0)
    out = GradientNoise(eta=0.04, gamma=0.5).perturb(g, strength=strength, rng=generator(0), update=update)
    assert (out - g).std() == pytest.approx(sigma, rel=0.03)
    assert out.mean() == pytest.approx(3, abs=0.01)


def test_strength_zero_is_the_identity_and_dtype_stays() -> None:
    g = torch.ones(5, dtype=torch.float16)
    out = GradientNoise().perturb(g, strength=0.0, rng=generator(0), update=0)
    assert torch.equal(out, g)
    assert out.dtype == torch.float16
