import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.token_shuffle import TokenShuffle
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TEXT, layout=(30,))
X = torch.arange(30).repeat(500, 1)


@pytest.mark.parametrize("window", [1, 3, 5])
def test_no_token_goes_further_than_the_window(window: int) -> None:
    technique = TokenShuffle(fraction=1.0, window=window)
    out = technique.perturb(X, strength=torch.ones(500, 1), rng=generator(0), info=BatchInfo(spec=SPEC))
    assert torch.equal(out.sort(1).values, X)
    assert (out - X).abs().max() <= window
    if window == 1:  # neighbours swap where 2 u1 > 1 + 2 u2: 1 of 8; 29 pairs of 2 among 30 tokens
        assert (out != X).float().mean().item() == pytest.approx(29 * 2 / 8 / 30, abs=0.02)
    else:
        assert (out != X).float().mean() > 0.4


def test_share_of_moved_tokens_is_that_of_the_sample() -> None:
    strength = torch.tensor([0.0, 0.5, 1.0]).repeat(500).unsqueeze(1)
    x = torch.arange(200).repeat(1500, 1)
    technique = TokenShuffle(fraction=0.02, window=3)
    out = technique.perturb(x, strength=strength, rng=generator(0), info=BatchInfo(spec=SPEC))
    # a lone token that moved leaves one fall in the order
    falls = (out.diff(dim=1) < 0).float().sum(1).reshape(500, 3).mean(0) / 200
    assert torch.allclose(falls, torch.tensor([0.0, 0.01, 0.02]), atol=0.002)


def test_nothing_moves_across_special_tokens_and_padding() -> None:
    valid = torch.ones_like(X, dtype=torch.bool)
    valid[:, [0, 10]] = False
    valid[:, 25:] = False
    technique = TokenShuffle(fraction=1.0, window=5)
    out = technique.perturb(X, strength=torch.ones(500, 1), rng=generator(0), info=BatchInfo(spec=SPEC, valid=valid))
    assert torch.equal(out[~valid], X[~valid])
    assert torch.equal(out[:, 1:10].sort(1).values, X[:, 1:10])
    assert torch.equal(out[:, 11:25].sort(1).values, X[:, 11:25])
    assert (out[:, 1:10] != X[:, 1:10]).any() and (out[:, 11:25] != X[:, 11:25]).any()
