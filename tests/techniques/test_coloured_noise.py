import math

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.coloured_noise import ColouredNoise
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=8000))
TONE = 0.5 * torch.sin(2 * math.pi * 400 * torch.arange(8000) / 8000).repeat(8, 1)


@pytest.mark.parametrize("exponent", [-1.0, 1.0, 2.0])
def test_snr_and_colour(exponent: float) -> None:
    strength = torch.tensor([0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]).unsqueeze(1)
    out = ColouredNoise(snr_db=12.0, exponent=exponent).perturb(TONE, strength=strength, rng=generator(0), info=INFO)
    noise = out - TONE
    assert torch.equal(out[0], TONE[0])
    snr = 10 * torch.log10(0.125 / noise[1:].square().mean(1))
    assert snr[0].item() == pytest.approx(12.0, abs=0.05)
    assert snr[1].item() == pytest.approx(12.0 - 6.0206, abs=0.05)
    power = torch.fft.rfft(noise[3:].double()).abs().square().mean(0)
    octaves = torch.stack([power[a : 2 * a].mean() for a in (125, 250, 500, 1000, 2000)])
    falls = (octaves[:-1] / octaves[1:]).log2()
    assert torch.allclose(falls, torch.full_like(falls, exponent), atol=0.4)


def test_half_precision() -> None:
    out = ColouredNoise().perturb(TONE.half(), strength=torch.ones(8, 1).half(), rng=generator(0), info=INFO)
    assert out.dtype == torch.float16 and out.isfinite().all()
