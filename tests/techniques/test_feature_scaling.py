import torch

from autonoise.ops.random import generator
from autonoise.techniques.feature_scaling import FeatureScaling
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(4,), numeric=(0, 1), flags=((2, 0),), codes=(3,))
INFO = BatchInfo(
    spec=SPEC, feature_of=torch.tensor([0, 1, 0, 2]), categorical=torch.tensor([False, False, False, True])
)


def test_relative_spread_on_numeric_columns_only() -> None:
    x = torch.tensor([2.0, -0.5, 1.0, 7.0]).repeat(9000, 1)
    strength = torch.tensor([0.0, 1.0, 2.0]).repeat(3000).unsqueeze(1)
    out = FeatureScaling(sigma=0.2).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert torch.equal(out[:, 2:], x[:, 2:])
    factor = (out[:, :2] / x[:, :2]).reshape(3000, 3, 2)
    assert torch.equal(factor[:, 0], torch.ones(3000, 2))
    assert torch.allclose(factor.mean(0), torch.ones(3, 2), atol=0.03)
    assert torch.allclose(factor[:, 1:].std(0), torch.tensor([[0.2, 0.2], [0.4, 0.4]]), rtol=0.05)
    assert abs(torch.corrcoef(factor[:, 1].T)[0, 1]) < 0.06  # columns are scaled apart
