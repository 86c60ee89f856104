import torch

from autonoise.ops.random import generator
from autonoise.techniques.category_replacement import CategoryReplacement
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(5,), numeric=(0,), onehot=((1, 2, 3),), codes=(4,))
INFO = BatchInfo(
    spec=SPEC, feature_of=torch.tensor([0, 1, 1, 1, 2]), categorical=torch.tensor([False, True, True, True, True])
)


def test_only_categories_change_and_follow_the_marginals() -> None:
    rows = 8000
    x = torch.zeros(rows, 5)
    x[:, 0] = torch.randn(rows, generator=generator(1))
    group = (torch.arange(rows) % 4).clamp(max=2)  # 1/4, 1/4, 1/2
    x[torch.arange(rows), 1 + group] = 1
    x[:, 4] = torch.arange(rows)
    strength = torch.tensor([0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]).repeat(rows // 8).unsqueeze(1)
    out = CategoryReplacement(fraction=0.4).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert torch.equal(out[:, 0], x[:, 0])
    assert torch.equal(out[:, 1:4].sum(1), torch.ones(rows))
    assert torch.allclose(out[:, 1:4].mean(0), torch.tensor([0.25, 0.25, 0.5]), atol=0.02)
    changed = (out[:, 4] != x[:, 4]).float().reshape(-1, 2, 4).mean((0, 2))
    assert torch.allclose(changed, torch.tensor([0.2, 0.4]), atol=0.02)
    # a replaced category is another one with probability 1 - (1/16 + 1/16 + 1/4) = 0.625
    moved = (out[:, 1:4] != x[:, 1:4]).any(1).float().reshape(-1, 2, 4).mean((0, 2))
    assert torch.allclose(moved, torch.tensor([0.125, 0.25]), atol=0.02)
