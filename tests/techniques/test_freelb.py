from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.freelb import Freelb
from autonoise.types import BatchInfo, DataType, InputSpec

TEXT = InputSpec(data_type=DataType.TEXT, layout=(5,))


def norms(delta: torch.Tensor) -> torch.Tensor:
    return delta.flatten(1).norm(dim=1)


def test_points_of_the_ascent_are_drawn_evenly_and_lie_in_the_ball() -> None:
    calls = []

    def gradient(at: torch.Tensor) -> torch.Tensor:
        calls.append(at)
        return torch.ones_like(at)

    h = torch.zeros(3000, 5, 8)
    technique = Freelb(eps=0.1, steps=3, step=1.0)
    info = BatchInfo(TEXT, unit=2.0)
    out = technique.perturb(h, gradient=gradient, strength=torch.ones(3000, 1, 1), rng=generator(0), info=info)
    radius = 0.1 * 2 * 40**0.5
    assert len(calls) == 2
    assert technique.passes == 3
    assert norms(out).max() <= radius * (1 + 1e-5)
    # the first point is uniform noise of RMS eps / sqrt(3), later ones reach the border
    first = (out == calls[0]).flatten(1).all(1)
    second = (out == calls[1]).flatten(1).all(1)
    assert [first.float().mean().item(), second.float().mean().item()] == pytest.approx([1 / 3, 1 / 3], abs=0.03)
    assert norms(out[first]).mean() == pytest.approx(radius / 3**0.5, rel=0.02)
    assert norms(out[~first & ~second]).min() == pytest.approx(radius, rel=1e-4)


def test_eps_is_the_rms_of_the_change_per_sample_on_real_tokens_only() -> None:
    h = torch.ones(200, 5, 8)
    valid = torch.ones(200, 5, 1, dtype=torch.bool)
    valid[:, 2:] = False
    strength = torch.ones(200, 1, 1)
    strength[:50] = 0
    strength[50:100] = 0.5
    out = Freelb(eps=0.1, steps=5, step=1.5).perturb(
        h, gradient=torch.ones_like, strength=strength, rng=generator(1), info=BatchInfo(TEXT, valid=valid)
    )
    assert torch.equal(out[:50], h[:50])
    assert torch.equal(out[:, 2:], h[:, 2:])
    rms = (out - h)[:, :2].flatten(1).square().mean(1).sqrt()
    assert [rms[50:100].max().item(), rms[100:].max().item()] == pytest.approx([0.05, 0.1], rel=1e-4)


def test_a_flat_loss_gives_no_nan() -> None:
    out = Freelb().perturb(
        torch.ones(2, 5, 8),
        gradient=torch.zeros_like,
        strength=torch.ones(2, 1, 1),
        rng=generator(0),
        info=BatchInfo(TEXT),
    )
    assert torch.isfinite(out).all()
