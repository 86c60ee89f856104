import math
from pathlib import Path

import numpy as np
import pytest
import torch

from autonoise.errors import PolicyError
from autonoise.ops.random import generator
from autonoise.techniques.background_noise import BackgroundNoise
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(4000,), sample_rate=8000))
TONE = 0.5 * torch.sin(2 * math.pi * 400 * torch.arange(4000) / 8000).repeat(4, 1)
STRENGTH = torch.tensor([[0.0], [0.5], [1.0], [1.0]])


def recording(path: Path, quiet: bool = False) -> str:
    rng = np.random.default_rng(0)
    x = 3000 * rng.standard_normal((3, 12000))
    if quiet:
        x[:, 1:] /= 1e4
        x[:, 0] = 30000
    np.savez(path, X=x.clip(-32768, 32767).astype(np.int16), group=np.array(["a", "a", "b"]), sample_rate=8000)
    return str(path)


@pytest.mark.parametrize("recorded", [False, True])
def test_snr(recorded: bool, tmp_path: Path) -> None:
    clips = recording(tmp_path / "noise.npz") if recorded else ""
    technique = BackgroundNoise(snr_db=9.0, clips=clips, group="a" if recorded else "")
    out = technique.perturb(TONE, strength=STRENGTH, rng=generator(0), info=INFO)
    assert torch.equal(out[0], TONE[0])
    snr = 10 * torch.log10(0.125 / (out[1:] - TONE[1:]).square().mean(1))
    assert torch.allclose(snr, torch.tensor([9 + 6.0206, 9.0, 9.0]), atol=0.05)
    assert abs(torch.corrcoef(out[2:] - TONE[2:])[0, 1]) < 0.5
    again = technique.perturb(TONE, strength=STRENGTH, rng=generator(0), info=INFO)
    assert torch.equal(again, out)


def test_a_nearly_silent_stretch_is_not_blown_up(tmp_path: Path) -> None:
    technique = BackgroundNoise(snr_db=0.0, clips=recording(tmp_path / "quiet.npz", quiet=True))
    out = technique.perturb(TONE, strength=torch.ones(4, 1), rng=generator(3), info=INFO)
    assert ((out - TONE).square().mean(1) < 0.125 / 100).all()


def test_missing_clips_are_told_when_they_are_needed() -> None:
    technique = BackgroundNoise(clips="no/such/folder")
    with pytest.raises(PolicyError, match="no/such/folder"):
        technique.perturb(TONE, strength=STRENGTH, rng=generator(0), info=INFO)
