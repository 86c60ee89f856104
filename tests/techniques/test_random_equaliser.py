from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.random_equaliser import RandomEqualiser
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(4000,), sample_rate=8000))
CLICK = torch.zeros(1, 4000)
CLICK[0, 2000] = 1.0


def response(rows: int, strength: float = 1.0, **parameters: float) -> Tensor:
    """Decibels (rows, 2001) at 0 to 4000 Hz in steps of 2 Hz, read off the answer to a click."""
    s = torch.full((rows, 1), strength)
    technique = RandomEqualiser(**parameters)  # type: ignore[arg-type]
    out = technique.perturb(CLICK.expand(rows, -1).contiguous(), strength=s, rng=generator(0), info=INFO)
    return 20 * torch.fft.rfft(out.roll(-2000, 1)).abs().log10()


def test_the_curve_is_straight_over_the_mel_scale_between_few_points() -> None:
    level = response(200, gain_db=6.0, bands=4)
    assert level.abs().max() < 6.1
    mel = np.log1p(np.arange(2001) * 2 / 700)
    grid = np.linspace(0, mel[-1], 400)
    curves = np.stack([np.interp(grid, mel, row) for row in level.numpy()])
    bent = np.abs(np.diff(curves, 2, axis=1)) > 0.02
    corners = [int(np.count_nonzero(np.diff(np.flatnonzero(row)) > 6)) + 1 if row.any() else 0 for row in bent]
    # 1 to 3 inner points make as many corners; some bend too little to be seen
    assert max(corners) <= 3 and set(corners) >= {1, 2}
    # with at least one inner point, hardly any curve is one straight line from end to end
    line = level[:, :1] + (level[:, -1:] - level[:, :1]) * torch.from_numpy(mel / mel[-1]).float()
    assert ((level - line).abs().amax(1) < 0.1).float().mean() < 0.03
    assert level[:, 0].std().item() == pytest.approx(6 / 3**0.5, rel=0.15)
    assert level[:, -1].std().item() == pytest.approx(6 / 3**0.5, rel=0.15)


def test_strength_scales_decibels_and_the_sound_is_not_delayed() -> None:
    assert torch.allclose(response(30, 0.5), response(30) / 2, atol=0.1)
    x = 0.3 * torch.randn(2, 4000, generator=generator(1))
    still = RandomEqualiser().perturb(x, strength=torch.zeros(2, 1), rng=generator(0), info=INFO)
    assert torch.allclose(still, x, atol=1e-5)
    out = RandomEqualiser().perturb(CLICK, strength=torch.ones(1, 1), rng=generator(0), info=INFO)[0]
    assert out.abs().argmax() == 2000
    assert torch.allclose(out[1900:2000].flip(0), out[2001:2101], atol=1e-4)  # no phase: the same before and after


def test_one_band_is_one_line() -> None:
    level = response(20, bands=1)
    mel = torch.log1p(torch.arange(2001.0) * 2 / 700)
    middle = int((mel - mel[-1] / 2).abs().argmin())
    assert torch.allclose(level[:, middle], (level[:, 0] + level[:, -1]) / 2, atol=0.05)
