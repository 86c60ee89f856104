from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.frequency_masking import FrequencyMasking
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(2, 50))


def masked(x: Tensor, rate: float, strength: float = 1.0, lengths: Tensor | None = None) -> Tensor:
    info, s = BatchInfo(spec=SPEC, lengths=lengths), torch.full((len(x), 1, 1), strength)
    return FrequencyMasking(rate=rate).perturb(x, strength=s, rng=generator(0), info=info)


def test_a_wave_stays_whole_or_goes_whole() -> None:
    wave = torch.sin(torch.arange(50) * 2 * torch.pi * 4 / 50).expand(1000, 2, -1).contiguous()
    out = masked(wave, 0.3, strength=0.5)
    size = out.square().mean(2) / 0.5
    assert ((size < 1e-5) | ((size - 1).abs() < 1e-3)).all()
    assert (size < 0.5).float().mean().item() == pytest.approx(0.15, abs=0.02)
    assert ((size[:, 0] < 0.5) != (size[:, 1] < 0.5)).any()  # channels draw for themselves


@pytest.mark.parametrize("size", [50, 51, 1])
def test_each_frequency_goes_with_the_probability(size: int) -> None:
    x = torch.randn(800, 1, size, generator=generator(2)) + 5
    spectrum = torch.fft.rfft(masked(x, 0.25)).abs()[:, 0]
    assert torch.allclose((spectrum < 1e-3).float().mean(0), torch.full((size // 2 + 1,), 0.25), atol=0.06)
    assert torch.allclose(masked(x, 0.25, 0.0), x, atol=1e-5)


def test_padding_takes_no_part() -> None:
    x = torch.randn(3, 2, 50, generator=generator(3))
    other = x.clone()
    other[:, :, 20:] = 7
    lengths = torch.full((3,), 20)
    assert torch.equal(masked(x, 0.5, lengths=lengths), masked(other, 0.5, lengths=lengths))
