from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.stochastic_depth import StochasticDepth
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(1, 8, 8)))


def test_whole_branches_go_per_sample_and_the_mean_stays() -> None:
    h = torch.ones(20_000, 2, 3)
    strength = torch.ones(20_000, 1, 1)
    strength[10_000:] = 0.5
    out = StochasticDepth(p=0.4).perturb(h, strength=strength, rng=generator(0), info=INFO).flatten(1)
    assert torch.equal(out.amin(1), out.amax(1))
    gone = (out[:, 0] == 0).float()
    assert [gone[:10_000].mean().item(), gone[10_000:].mean().item()] == pytest.approx([0.4, 0.2], abs=0.02)
    assert out[:10_000].max() == pytest.approx(1 / 0.6)
    assert out.mean() == pytest.approx(1, abs=0.02)


def test_strength_zero_is_the_identity_and_the_site_is_the_branch() -> None:
    h = torch.randn(3, 5, generator=generator(1))
    assert torch.equal(StochasticDepth().perturb(h, strength=torch.zeros(3, 1), rng=generator(0), info=INFO), h)
    assert StochasticDepth.default_site == "residual"
