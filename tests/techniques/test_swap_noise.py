import torch

from autonoise.ops.random import generator
from autonoise.techniques.swap_noise import SwapNoise
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(5,), numeric=(0,), flags=((1, 0),), onehot=((2, 3, 4),))
INFO = BatchInfo(spec=SPEC, feature_of=torch.tensor([0, 0, 1, 1, 1]))


def table(rows: int) -> torch.Tensor:
    x = torch.zeros(rows, 5)
    x[:, 0] = torch.randn(rows, generator=generator(1))
    x[::4, 0], x[::4, 1] = 0, 1  # a quarter is missing
    x[torch.arange(rows), 2 + torch.arange(rows) % 3] = 1
    return x


def test_share_of_swapped_features_and_marginals() -> None:
    x = table(6000)
    strength = torch.tensor([0.0, 1.0]).repeat(3000).unsqueeze(1)
    out = SwapNoise(fraction=0.4).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert torch.equal(out[0::2], x[0::2])
    # odd rows are never missing, so every swapped number is a different number
    assert abs((out[1::2, 0] != x[1::2, 0]).float().mean().item() - 0.4) < 0.03
    assert torch.equal(out[:, 2:].sum(1), torch.ones(6000))  # one-hot groups stay one-hot
    moved = (out[1::2, 2:] != x[1::2, 2:]).any(1).float().mean().item()
    assert abs(moved - 0.4 * 2 / 3) < 0.03
    assert torch.equal(out[:, 1] == 1, out[:, 0] == 0)  # value and flag travel together
    assert set(out[:, 0].tolist()) <= set(x[:, 0].tolist())


def test_one_row_stays() -> None:
    x = table(1)
    assert torch.equal(SwapNoise(fraction=1.0).perturb(x, strength=torch.ones(1, 1), rng=generator(0), info=INFO), x)
