import math

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.mu_law import MuLaw
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(40001,)))
X = torch.linspace(-1, 1, 40001).repeat(3, 1)


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_levels_against_the_formula(bits: int) -> None:
    out = MuLaw(bits=bits).perturb(X, strength=torch.tensor([[0.0], [1.0], [0.5]]), rng=generator(0), info=INFO)
    assert torch.equal(out[0], X[0])
    steps = 2 ** (bits - 1) - 1
    levels = [math.copysign((256 ** (abs(k) / steps) - 1) / 255, k) for k in range(-steps, steps + 1)]
    found = torch.unique((out[1] * 1e6).round()) / 1e6
    assert len(found) == 2**bits - 1
    assert torch.allclose(found, torch.tensor(levels), atol=2e-5)
    assert torch.allclose(out[2], (out[1] + X[0]) / 2, atol=1e-6)
    assert out[1, 20000] == 0  # silence stays silent


def test_by_hand() -> None:
    # log(1 + 255 * 0.1) / log(256) = 0.591; of 3 steps: 2; back: (256^(2/3) - 1) / 255 = 0.1542
    x = torch.tensor([[0.1, -0.1, 1.0]])
    out = MuLaw(bits=3).perturb(x, strength=torch.ones(1, 1), rng=generator(0), info=INFO)
    assert out[0].tolist() == pytest.approx([0.15420, -0.15420, 1.0], abs=1e-4)
    half = MuLaw(bits=3).perturb(x.half(), strength=torch.ones(1, 1).half(), rng=generator(0), info=INFO)
    assert half.dtype == torch.float16
