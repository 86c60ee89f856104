from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.periodic_noise import PeriodicNoise
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 48)))


def change(rows: int, strength: float, **parameters: float) -> Tensor:
    x = torch.full((rows, 3, 32, 48), 0.4)
    s = torch.full((rows, 1, 1, 1), strength)
    return PeriodicNoise(**parameters).perturb(x, strength=s, rng=generator(0), info=INFO) - x


def test_each_channel_gets_one_wave_of_its_own() -> None:
    wave = change(200, 1.0, rms=0.1)
    # of a sine wave w, w[j - 1] + w[j + 1] = 2 cos(k) w[j] along either axis, with k its angular frequency there
    steps = []
    for axis in (2, 3):
        middle = wave.narrow(axis, 1, wave.shape[axis] - 2)
        around = wave.narrow(axis, 0, wave.shape[axis] - 2) + wave.narrow(axis, 2, wave.shape[axis] - 2)
        twice = (around * middle).sum((2, 3)) / middle.square().sum((2, 3))
        assert (around - twice[..., None, None] * middle).abs().max() < 1e-3
        steps.append((twice / 2).clamp(-1, 1).acos())
    periods = (steps[0].square() + steps[1].square()).sqrt() * 32 / (2 * math.pi)
    assert periods.min() >= 0.99 and periods.max() <= 16.01
    assert periods.mean().item() == pytest.approx(8.5, abs=0.5)  # uniform in 1 .. 16
    assert (steps[0] > steps[1]).float().mean().item() == pytest.approx(0.5, abs=0.07)
    assert (periods[:, 0] - periods[:, 1]).abs().mean() > 2


@pytest.mark.parametrize(("rms", "strength"), [(0.1, 1.0), (0.2, 0.25)])
def test_the_wave_is_as_large_as_asked(rms: float, strength: float) -> None:
    wave = change(300, strength, rms=rms)
    assert wave.square().mean().sqrt().item() == pytest.approx(rms * strength, rel=0.03)
    assert wave.abs().max().item() == pytest.approx(math.sqrt(2) * rms * strength, rel=0.01)
