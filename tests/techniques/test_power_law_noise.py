from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.power_law_noise import PowerLawNoise
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32)))


def change(strength: float, rows: int = 400, **parameters: float) -> torch.Tensor:
    x = torch.full((rows, 3, 32, 32), 0.5)
    s = torch.full((rows, 1, 1, 1), strength)
    return PowerLawNoise(**parameters).perturb(x, strength=s, rng=generator(0), info=INFO) - x


def test_size_and_mean_in_each_channel() -> None:
    noise = change(0.5, std=0.2)
    assert torch.allclose(noise.square().mean((2, 3)).sqrt(), torch.full((400, 3), 0.1), atol=1e-4)
    assert noise.mean((2, 3)).abs().max() < 1e-5


def test_channels_share_a_field_half_of_the_time() -> None:
    noise = change(1.0)
    alike = (noise[:, 0] - noise[:, 1]).abs().amax((1, 2)) < 1e-6
    assert alike.float().mean().item() == pytest.approx(0.5, abs=0.08)


def test_exponents_are_uniform_up_to_the_largest() -> None:
    power = torch.fft.rfft2(change(1.0, 1500, exponent=2.0)[:, 0]).abs().square()
    # for a field of power f^-a the log power at frequencies 2 and 8 differs by a log 4
    slope = (power[:, [0, 2, 2], [2, 0, 2]].log().mean(1) - power[:, [0, 8, 8], [8, 0, 8]].log().mean(1)) / 1.3863
    assert slope.mean().item() == pytest.approx(1.0, abs=0.12)
    # the spread of U(0, 2) is 1 / sqrt(3); that of the estimate, from six log powers of spread 1.28, adds to it
    assert slope.var().item() == pytest.approx(1 / 3 + 2 * 1.2825**2 / 3 / 1.3863**2, rel=0.15)
