import torch

from autonoise.ops.random import generator
from autonoise.techniques.gain import Gain
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(5,)))


def test_gain_is_uniform_in_decibels_and_one_per_row() -> None:
    x = torch.tensor([1.0, -0.5, 0.25, -0.125, 0.0]).repeat(3000, 1)
    strength = torch.tensor([0.0, 0.5, 1.0]).repeat(1000).unsqueeze(1)
    out = Gain(gain_db=12.0).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert torch.allclose(out, out[:, :1] * x, atol=1e-6)
    decibels = 20 * out[:, 0].log10().reshape(1000, 3)
    assert torch.equal(decibels[:, 0], torch.zeros(1000))
    assert torch.allclose(decibels.amax(0), torch.tensor([0.0, 6.0, 12.0]), atol=0.1)
    assert torch.allclose(decibels.amin(0), torch.tensor([0.0, -6.0, -12.0]), atol=0.1)
    assert torch.allclose(decibels.std(0), torch.tensor([0.0, 6.0, 12.0]) / 3**0.5, atol=0.3)


def test_half_precision() -> None:
    x = torch.ones(4, 5, dtype=torch.bfloat16)
    out = Gain().perturb(x, strength=torch.ones(4, 1, dtype=torch.bfloat16), rng=generator(0), info=INFO)
    assert out.dtype == torch.bfloat16
