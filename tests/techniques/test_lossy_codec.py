from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.mdct import mdct
from autonoise.ops.random import generator
from autonoise.techniques.lossy_codec import LossyCodec
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=8000))
NOISE = 0.1 * torch.randn(60, 8000, generator=generator(1))


def coded(x: Tensor, strength: float = 1.0, snr_db: float = 6.0) -> Tensor:
    s = torch.full((len(x), 1), strength)
    return LossyCodec(snr_db=snr_db).perturb(x, strength=s, rng=generator(0), info=INFO)


@pytest.mark.parametrize(("snr_db", "strength", "expected"), [(20.0, 1.0, 20.0), (20.0, 0.5, 26.0), (30.0, 1.0, 30.0)])
def test_the_noise_lies_so_many_decibels_below(snr_db: float, strength: float, expected: float) -> None:
    error = (coded(NOISE, strength, snr_db) - NOISE)[:, 500:-500].square().mean(1)
    found = 10 * (NOISE[:, 500:-500].square().mean(1) / error).log10()
    assert found.mean().item() == pytest.approx(expected, abs=2)
    # 0.5 to 1.5 times the decibels for each clip
    assert found.max() - found.min() == pytest.approx(snr_db, rel=0.25)


def test_coefficients_are_whole_steps_and_weak_ones_vanish() -> None:
    out = coded(NOISE, snr_db=0.0)
    # 16 ms are 128 samples at 8 kHz: 16 bands of 8
    before, after = (mdct(v, 128)[:, 2:-2].unflatten(2, (16, 8)) for v in (NOISE, out))
    step = 12**0.5 * before.square().mean(3, keepdim=True).sqrt()
    whole = after / step
    assert (whole - whole.round()).abs().max() < 0.02
    assert torch.equal(whole.round().abs() > 0, before.abs() > step / 2)
    # a normal coefficient is above sqrt(12) / 2 = 1.73 of its size in 8 % of the cases; bands of 8 make it a bit fewer
    assert (whole.round() != 0).float().mean().item() == pytest.approx(0.08, abs=0.02)


def test_silence_and_strength_0() -> None:
    quiet = NOISE[:3].clone()
    quiet[:, :4000] = 0
    assert coded(quiet)[:, :3700].abs().max() < 1e-6
    assert torch.allclose(coded(NOISE, 0.0), NOISE, atol=1e-5)
    assert coded(NOISE[:, :5]).shape == (60, 5)
