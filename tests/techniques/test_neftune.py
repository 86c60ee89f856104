from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.neftune import Neftune
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TEXT, layout=(100,), pad_id=0)
LENGTHS = torch.tensor([100, 25])


def test_the_range_uses_the_true_length() -> None:
    valid = torch.arange(100)[None, :, None] < LENGTHS[:, None, None]
    info = BatchInfo(SPEC, valid=valid)
    h = torch.zeros(2, 100, 64)
    out = Neftune(alpha=8.0).perturb(h, strength=torch.ones(2, 1, 1), rng=generator(0), info=info)
    # alpha / sqrt(L d): 8 / sqrt(100 * 64) = 0.1 and 8 / sqrt(25 * 64) = 0.2
    assert out.abs().amax((1, 2)).tolist() == pytest.approx([0.1, 0.2], rel=0.01)
    assert out.std((1, 2)).tolist() == pytest.approx([0.1 / 3**0.5, 0.2 / 3**0.5], rel=0.03)


def test_without_padding_the_whole_length_counts_and_zero_is_the_identity() -> None:
    h = torch.ones(2, 100, 64)
    strength = torch.tensor([0.0, 0.5]).reshape(2, 1, 1)
    out = Neftune(alpha=8.0).perturb(h, strength=strength, rng=generator(0), info=BatchInfo(SPEC))
    assert torch.equal(out[0], h[0])
    assert (out - h)[1].abs().max() == pytest.approx(0.05, rel=0.01)


def test_relative_to_the_embedding_alpha_means_the_same_at_any_scale() -> None:
    """10 words of width 64 and alpha 5: RMS 5 / sqrt(3 * 640) = .114 of the embedding's, padding not counted."""
    valid = (torch.arange(12) >= 2)[None, :, None]
    h = 0.02 * torch.randn(1, 12, 64, generator=generator(1)).masked_fill(~valid, 9)
    shares = {}
    for scale in ("absolute", "embedding"):
        out = Neftune(alpha=5.0, scale=scale).perturb(
            h, strength=torch.ones(1, 1, 1), rng=generator(0), info=BatchInfo(SPEC, valid=valid)
        )
        shares[scale] = float((out - h)[:, 2:].std() / h[:, 2:].std())
    assert shares["embedding"] == pytest.approx(5 / 1920**0.5, rel=0.05)
    assert shares["absolute"] == pytest.approx(5 / 1920**0.5 / 0.02, rel=0.05)
