import math

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.speed_perturbation import SpeedPerturbation
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=8000))


def tones(rows: int) -> torch.Tensor:
    return 0.5 * torch.sin(2 * math.pi * 1000 * torch.arange(8000) / 8000).repeat(rows, 1)


def pitch(x: torch.Tensor) -> torch.Tensor:
    """The loudest frequency of the first 6000 samples, in Hz."""
    return torch.fft.rfft(x[:, :6000] * torch.hann_window(6000)).abs().argmax(1) * 8000 / 6000


def test_pitch_moves_uniformly_by_what_the_sample_is_due() -> None:
    x, strength = tones(300), torch.tensor([0.0, 0.5, 1.0]).repeat(100).unsqueeze(1)
    out = SpeedPerturbation(change=0.2).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert out.shape == x.shape and torch.equal(out[0::3], x[0::3])
    for first, spread in ((1, 100.0), (2, 200.0)):
        hertz = pitch(out[first::3])
        assert (hertz - 1000).abs().max() <= spread + 2
        assert (hertz - 1000).abs().max() > 0.9 * spread
        assert hertz.std().item() == pytest.approx(spread / math.sqrt(3), rel=0.15)  # uniform on +-spread


def test_faster_clips_end_in_silence() -> None:
    x = tones(60)
    out = SpeedPerturbation(change=0.3).perturb(x, strength=torch.ones(60, 1), rng=generator(0), info=INFO)
    factor = pitch(out) / 1000
    fast = factor > 1.05
    end = (out.abs() > 0.05).long().mul(torch.arange(8000)).amax(1)
    assert fast.sum() > 10
    assert torch.allclose(end[fast] * factor[fast], torch.full((int(fast.sum()),), 8000.0), rtol=0.01)


def test_extremes_and_half_precision() -> None:
    x = tones(8).half()
    strength = torch.full((8, 1), 50.0).half()
    out = SpeedPerturbation(change=0.5).perturb(x, strength=strength, rng=generator(0), info=INFO)
    assert out.dtype == torch.float16 and out.isfinite().all()
    assert ((pitch(out.float()) - 500).abs() < 2).logical_or((pitch(out.float()) - 2000).abs() < 2).sum() >= 6
