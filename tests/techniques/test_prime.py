from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.prime import Prime, deformed
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32)))


def test_colour_curves_by_hand() -> None:
    x = (torch.arange(256.0) / 255).reshape(1, 1, 16, 16).repeat(2, 2, 1, 1)
    found = Prime(colour=0.02)._coloured(x, generator(0))
    rng = generator(0)
    variance = 0.02 * torch.rand(2, generator=rng).numpy()
    waves = torch.randn(2, 2, 100, generator=rng).numpy()
    v, k = np.arange(256) / 255, np.arange(1, 101)
    change = np.sqrt(variance)[:, None, None] * waves @ np.sin(math.pi * k[:, None] * v)
    assert found.flatten(2).numpy() == pytest.approx(v + change, abs=2e-3)


def test_filters_are_the_identity_plus_noise() -> None:
    x = torch.zeros(3000, 2, 7, 7)
    x[:, :, 3, 3] = 1
    kernel = Prime(filter=2.0)._filtered(x, generator(0))
    assert torch.allclose(kernel[:, 0], kernel[:, 1])
    assert kernel[:, :, [0, 1, 5, 6]].abs().max() == 0 and kernel[:, :, :, [0, 1, 5, 6]].abs().max() == 0
    weights = kernel[:, 0, 2:5, 2:5]
    assert weights.mean(0)[1, 1].item() == pytest.approx(1, abs=0.1)
    # the variance is the mean of s^2 for s uniform in 0 .. 2, 4 / 3
    assert torch.allclose(weights.var(0), torch.full((3, 3), 4 / 3), rtol=0.12)


def test_deformations_move_by_about_half_a_pixel_and_not_at_the_border() -> None:
    ramp = torch.arange(64.0).expand(64, 64) / 64
    x = torch.stack([ramp, ramp.T]).expand(300, 2, 64, 64).contiguous()
    shift = (deformed(x, generator(0)) - x) * 64
    border = torch.cat([shift[:, :, [0, -1]].flatten(1), shift[:, :, :, [0, -1]].flatten(1)], 1)
    assert border.abs().max() < 1e-2
    size = shift[:, :, 1:-1, 1:-1].square().sum(1).mean((1, 2)).sqrt()
    # T is chosen so that the size is n sqrt(pi T log cut) / 2: 1/2 at the smallest, and up to n / (pi cut) at the
    # largest, which is larger only for coarse waves
    assert size.median().item() == pytest.approx(0.5, abs=0.15) and size.min() > 0.2 and size.max() < 64 / (2 * math.pi)
    assert size.max() > 1


def test_the_mixture_is_weighed_by_uniform_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    def white(self: Prime, x: Tensor, rng: object) -> Tensor:
        return torch.ones_like(x)

    monkeypatch.setattr(Prime, "_coloured", white)
    monkeypatch.setattr(Prime, "_filtered", white)
    monkeypatch.setattr("autonoise.techniques.prime.deformed", lambda x, rng: torch.ones_like(x))
    x = torch.zeros(3000, 1, 2, 2)
    out = Prime().perturb(x, strength=torch.full((3000, 1, 1, 1), 0.5), rng=generator(0), info=INFO)
    assert torch.allclose(out[:, 0, 0, 0], out[:, 0, 1, 1])
    assert out[:, 0, 0, 0].mean().item() == pytest.approx(0.25, abs=0.01) and out.max() <= 0.5 + 1e-6
    assert out[:, 0, 0, 0].std().item() == pytest.approx(0.5 / 12**0.5, rel=0.05)


def test_depth_is_uniform_and_weights_sum_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_coloured", "_filtered"):
        monkeypatch.setattr(Prime, name, lambda self, x, rng: x + 0.1)
    monkeypatch.setattr("autonoise.techniques.prime.deformed", lambda x, rng: x + 0.1)
    monkeypatch.setattr("autonoise.techniques.prime.rand", lambda shape, rng, like: torch.full(shape, 0.999999))
    x = torch.zeros(6000, 1, 1, 1)
    out = Prime(width=1).perturb(x, strength=torch.ones(6000, 1, 1, 1), rng=generator(0), info=INFO).flatten()
    share = [(out - d).abs().lt(1e-3).float().mean().item() for d in (0.1, 0.2, 0.3)]
    assert share == pytest.approx([1 / 3] * 3, abs=0.03)
