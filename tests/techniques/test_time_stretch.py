from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.ops.vocoder import overlapped, stretched
from autonoise.techniques.time_stretch import TimeStretch
from autonoise.types import BatchInfo, DataType, InputSpec

RATE = 8000
TIME = torch.arange(RATE) / RATE


def tone(pitch: float, until: float = 1.0) -> Tensor:
    return 0.5 * torch.sin(2 * torch.pi * pitch * TIME) * (until > TIME)


def pitch_of(x: Tensor) -> Tensor:
    """The frequency in Hz at which the spectrum of each clip is largest, to 1 Hz."""
    return torch.fft.rfft(x * torch.hann_window(x.shape[1]), n=RATE).abs().argmax(1)


@pytest.mark.parametrize("rate", [0.8, 1.0, 1.25, 2.0])
def test_tempo_changes_and_pitch_stays(rate: float) -> None:
    x = torch.stack([tone(300, 0.6), tone(1234, 0.6)])
    out = stretched(x, torch.full((2, 1), rate), RATE, RATE)
    loud = out[:, : round(0.55 * RATE / rate)]
    assert pitch_of(loud).tolist() == pytest.approx([300, 1234], abs=2)
    # the tone of 0.6 s lasts 0.6 / rate, and its loudness stays
    window = out.unfold(1, 200, 200).square().mean(2).sqrt() * math.sqrt(2)
    assert (window > 0.25).float().sum(1).mul(0.025).tolist() == pytest.approx([0.6 / rate] * 2, abs=0.05)
    assert window[:, 4 : int(0.5 / rate / 0.025)].mean(1).tolist() == pytest.approx([0.5, 0.5], abs=0.06)
    if rate == 1:
        assert torch.allclose(out, x, atol=1e-4)


def test_rates_are_drawn_evenly_about_one() -> None:
    x = tone(500, 0.5).expand(120, -1).contiguous()
    info = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(RATE,), sample_rate=RATE))
    out = TimeStretch(change=0.25).perturb(x, strength=torch.ones(120, 1), rng=generator(0), info=info)
    seconds = (out.unfold(1, 80, 80).abs().amax(2) > 0.25).float().sum(1) * 0.01
    u = (0.5 / seconds).log() / math.log(1.25)
    assert u.min() > -1.15 and u.max() < 1.15 and u.mean().abs() < 0.15
    assert u.std().item() == pytest.approx(1 / math.sqrt(3), abs=0.12)
    still = TimeStretch().perturb(x[:2], strength=torch.zeros(2, 1), rng=generator(0), info=info)
    assert torch.allclose(still, x[:2], atol=1e-4)


@pytest.mark.parametrize("length", [1000, 1024, 900])
def test_frames_are_overlapped_as_torch_does(length: int) -> None:
    x, window = torch.randn(3, 1024, generator=torch.Generator().manual_seed(0)), torch.hann_window(64)
    spectrum = torch.stft(x, 64, 16, window=window, pad_mode="constant", return_complex=True)
    spectrum = spectrum * torch.linspace(0.5, 1, spectrum.shape[-1])  # not what some clip has
    expected = torch.istft(spectrum, 64, 16, window=window, length=length)
    torch.testing.assert_close(overlapped(spectrum, window, 16, length), expected, atol=1e-5, rtol=1e-5)
