import torch

from autonoise.ops.random import generator
from autonoise.techniques.feature_masking import FeatureMasking
from autonoise.types import BatchInfo, DataType, InputSpec

# columns: 0, 1 numeric; 2 flag of 0; 3 4 5 one-hot; 6 code
SPEC = InputSpec(
    data_type=DataType.TABULAR, layout=(7,), numeric=(0, 1), flags=((2, 0),), onehot=((3, 4, 5),), codes=(6,)
)
INFO = BatchInfo(spec=SPEC, feature_of=torch.tensor([0, 1, 0, 2, 2, 2, 3]))
ROW = torch.tensor([1.5, -2.0, 0.0, 0.0, 1.0, 0.0, 3.0])


def test_everything_masked_by_hand() -> None:
    out = FeatureMasking(fraction=1.0).perturb(ROW[None], strength=torch.ones(1, 1), rng=generator(0), info=INFO)
    assert out.tolist() == [[0, 0, 1, 0, 0, 0, 0]]


def test_share_of_features_per_sample() -> None:
    x = ROW.repeat(3000, 1)
    strength = torch.tensor([0.0, 1.0, 2.0]).repeat(1000).unsqueeze(1)
    out = FeatureMasking(fraction=0.2).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert torch.equal(out[0::3], x[0::3])
    masked = torch.stack([out[:, 0] == 0, out[:, 1] == 0, out[:, 4] == 0, out[:, 6] == 0], 1).float()
    assert torch.allclose(masked[1::3].mean(0), torch.full((4,), 0.2), atol=0.04)
    assert torch.allclose(masked[2::3].mean(0), torch.full((4,), 0.4), atol=0.05)
    assert torch.equal(out[:, 2], (out[:, 0] == 0).float())
    assert abs(torch.corrcoef(masked[1::3].T)[0, 1]) < 0.1  # features are drawn apart


def test_half_precision() -> None:
    x = ROW.repeat(2000, 1).bfloat16()
    strength = torch.ones(2000, 1, dtype=torch.bfloat16)
    out = FeatureMasking(fraction=0.1).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert out.dtype == torch.bfloat16
    assert abs((out[:, 1] == 0).float().mean().item() - 0.1) < 0.03
