from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.embedding_noise import EmbeddingNoise
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TEXT, layout=(8,), pad_id=0)


def test_sigma_is_relative_to_the_rms_of_the_real_tokens() -> None:
    h = torch.full((2, 8, 500), 2.0)
    h[1, 4:] = 1000.0  # padding, whatever its vector
    valid = torch.ones(2, 8, 1, dtype=torch.bool)
    valid[1, 4:] = False
    info = BatchInfo(SPEC, valid=valid)
    out = EmbeddingNoise(sigma=0.25).perturb(h, strength=torch.ones(2, 1, 1), rng=generator(0), info=info)
    noise = (out - h)[:, :4].flatten(1)
    assert noise.std(1).tolist() == pytest.approx([0.5, 0.5], rel=0.05)


def test_strength_is_per_sample_and_zero_is_the_identity() -> None:
    h = torch.ones(2, 8, 500)
    strength = torch.tensor([0.0, 0.1]).reshape(2, 1, 1)
    out = EmbeddingNoise(sigma=1.0).perturb(h, strength=strength, rng=generator(0), info=BatchInfo(SPEC))
    assert torch.equal(out[0], h[0])
    assert (out - h)[1].std() == pytest.approx(0.1, rel=0.05)
