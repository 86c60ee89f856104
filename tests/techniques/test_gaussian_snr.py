import math

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.gaussian_snr import GaussianSNR
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=8000)


def clips(rows: int) -> torch.Tensor:
    """A tone of power 0.125 in the first half, silence in the second."""
    x = 0.5 * torch.sin(2 * math.pi * 400 * torch.arange(8000) / 8000).repeat(rows, 1)
    x[:, 4000:] = 0
    return x


@pytest.mark.parametrize("snr_db", [0.0, 20.0, 40.0])
def test_snr_over_the_active_part(snr_db: float) -> None:
    x, strength = clips(3), torch.tensor([[0.0], [1.0], [0.5]])
    out = GaussianSNR(snr_db=snr_db).perturb(x, strength=strength, rng=generator(0), info=BatchInfo(spec=SPEC))
    noise = (out - x).double()
    assert torch.equal(out[0], x[0])
    snr = 10 * torch.log10(0.125 / noise.square().mean(1))
    assert snr[1].item() == pytest.approx(snr_db, abs=0.05)
    assert snr[2].item() == pytest.approx(snr_db + 6.0206, abs=0.05)


def test_noise_is_white_and_differs_between_rows() -> None:
    x = clips(2)
    out = GaussianSNR(snr_db=10.0).perturb(x, strength=torch.ones(2, 1), rng=generator(0), info=BatchInfo(spec=SPEC))
    power = torch.fft.rfft(out - x).abs().square()[:, 1:].reshape(2, 4, 1000).mean(2)
    assert torch.allclose(power / power.mean(1, keepdim=True), torch.ones(2, 4), atol=0.15)
    assert abs(torch.corrcoef(out - x)[0, 1]) < 0.05


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    x = clips(1).to(dtype)
    info = BatchInfo(spec=SPEC, lengths=torch.tensor([4000]))
    out = GaussianSNR(snr_db=10.0).perturb(x, strength=torch.ones(1, 1, dtype=dtype), rng=generator(0), info=info)
    assert out.dtype == dtype
    power = (out - x).double()[:, :4000].square().mean()
    assert 10 * math.log10(0.125 / power) == pytest.approx(10.0, abs=0.2)
