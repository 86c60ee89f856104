from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.activation_noise import ActivationNoise
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(1, 8, 8)))


def test_sigma_is_relative_to_the_rms_of_each_sample() -> None:
    h = torch.stack([torch.full((8, 30, 30), value) for value in (3.0, -3.0, 30.0)])
    strength = torch.tensor([1.0, 0.0, 0.5]).reshape(3, 1, 1, 1)
    out = ActivationNoise(sigma=0.1).perturb(h, strength=strength, rng=generator(0), info=INFO)
    assert (out - h).flatten(1).std(1).tolist() == pytest.approx([0.3, 0, 1.5], rel=0.05)


def test_the_gradient_passes_as_if_nothing_had_been_added() -> None:
    h = torch.randn(4, 6, generator=generator(1), requires_grad=True)
    ActivationNoise(sigma=0.5).perturb(h, strength=torch.ones(4, 1), rng=generator(0), info=INFO).sum().backward()
    assert torch.equal(h.grad, torch.ones(4, 6))


def test_half_precision_does_not_overflow() -> None:
    h = torch.full((2, 1000), 300.0, dtype=torch.float16)
    out = ActivationNoise(sigma=0.1).perturb(h, strength=torch.ones(2, 1).half(), rng=generator(0), info=INFO)
    assert out.dtype == torch.float16
    assert (out - h).float().std() == pytest.approx(30, rel=0.1)
