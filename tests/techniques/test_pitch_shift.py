from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.pitch_shift import PitchShift
from autonoise.types import BatchInfo, DataType, InputSpec

RATE = 8000
TIME = torch.arange(RATE) / RATE
INFO = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(RATE,), sample_rate=RATE))
TONE = 0.5 * torch.sin(2 * torch.pi * 440 * TIME) * (TIME < 0.5)


@pytest.mark.parametrize(("semitones", "strength"), [(4.0, 1.0), (12.0, 0.5)])
def test_pitch_moves_by_semitones_and_length_stays(semitones: float, strength: float) -> None:
    x = TONE.expand(100, -1).contiguous()
    s = torch.full((100, 1), strength)
    out = PitchShift(semitones=semitones).perturb(x, strength=s, rng=generator(0), info=INFO)
    heard = out[:, 400:3600]
    pitch = torch.fft.rfft(heard * torch.hann_window(3200), n=4 * RATE).abs().argmax(1) / 4
    shift = 12 * (pitch / 440).log2()
    limit = semitones * strength
    assert shift.min() > -limit - 0.1 and shift.max() < limit + 0.1
    assert shift.mean().abs() < 0.2 * limit and shift.std().item() == pytest.approx(limit / 3**0.5, rel=0.2)
    # the tone still ends after half a second, and is as loud
    assert out[:, 4400:].abs().max() < 0.05
    loud = heard.square().mean(1).sqrt() * 2**0.5
    assert loud.min() > 0.45 and loud.max() < 0.55


def test_nothing_moves_at_strength_0_and_padding_takes_no_part() -> None:
    x = TONE.expand(3, -1).contiguous()
    still = PitchShift().perturb(x, strength=torch.zeros(3, 1), rng=generator(0), info=INFO)
    assert (still - x)[:, 100:3900].abs().max() < 0.02
    other = x.clone()
    other[:, 4000:] = 0.9
    info = BatchInfo(INFO.spec, lengths=torch.full((3,), 4000))
    a, b = (PitchShift().perturb(v, strength=torch.ones(3, 1), rng=generator(0), info=info) for v in (x, other))
    assert torch.equal(a, b)
