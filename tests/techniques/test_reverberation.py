import numpy as np
import pytest
import torch

from autonoise.errors import AttachError
from autonoise.ops.random import generator
from autonoise.techniques.reverberation import Reverberation
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=8000))


@pytest.mark.parametrize("rt60", [0.2, 0.6])
def test_decay_time_and_direct_to_tail_ratio(rt60: float) -> None:
    x = torch.zeros(24, 8000)
    x[:, 0] = 1
    out = Reverberation(rt60=rt60, direct_db=6.0).perturb(x, strength=torch.ones(24, 1), rng=generator(0), info=INFO)
    direct, tail = out[:, 0].square(), out[:, 1:].square()
    ratio = 10 * torch.log10(direct / tail.sum(1))
    assert torch.allclose(ratio, torch.full((24,), 6.0), atol=0.1)
    assert torch.allclose(direct + tail.sum(1), torch.ones(24), atol=1e-3)  # the expected power stays
    left = tail.mean(0).flip(0).cumsum(0).flip(0)  # Schroeder's integral
    decay = 10 * np.log10((left / left[0]).numpy())
    t = np.arange(len(decay)) / 8000
    part = (decay < -5) & (decay > -25)
    slope = np.polyfit(t[part], decay[part], 1)[0]
    assert -60 / slope == pytest.approx(rt60, rel=0.1)


def test_strength_scales_the_tail_per_sample() -> None:
    x = torch.zeros(3, 2000)
    x[:, 0] = 1
    strength = torch.tensor([[0.0], [0.5], [1.0]])
    out = Reverberation(direct_db=0.0).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert torch.equal(out[0], x[0])
    energy = out[:, 1:].square().sum(1) / out[:, 0].square()
    assert torch.allclose(energy[1:], torch.tensor([0.25, 1.0]), rtol=0.05)


def test_sample_rate_is_needed() -> None:
    info = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(100,)))
    with pytest.raises(AttachError, match="sample_rate"):
        Reverberation().perturb(torch.zeros(1, 100), strength=torch.ones(1, 1), rng=generator(0), info=info)


def test_half_precision() -> None:
    x = torch.randn(2, 500, generator=generator(0)).half()
    out = Reverberation().perturb(x, strength=torch.ones(2, 1).half(), rng=generator(0), info=INFO)
    assert out.dtype == torch.float16 and out.isfinite().all()
