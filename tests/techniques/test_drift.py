from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.drift import Drift
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(2, 61))
RAMP = torch.linspace(-1, 3, 61)


def drifted(x: Tensor, strength: float = 1.0, lengths: Tensor | None = None, **parameters: float) -> Tensor:
    s = torch.full((len(x), 1, 1), strength)
    info = BatchInfo(spec=SPEC, lengths=lengths)
    return Drift(**parameters).perturb(x, strength=s, rng=generator(0), info=info)  # type: ignore[arg-type]


def test_the_largest_drift_is_a_share_of_the_range() -> None:
    x = torch.stack([RAMP, 10 * RAMP]).repeat(50, 1, 1)  # ranges of 4 and 40
    change = drifted(x, 0.5, size=0.3) - x
    assert torch.allclose(change.abs().amax(2), torch.tensor([0.6, 6.0]).expand(50, 2), rtol=1e-4)
    assert change[:, :, 0].abs().max() < 1e-5
    assert (change[:, 0] - change[:, 1] / 10).abs().amax(1).min() > 0.01  # each channel drifts in its own way
    assert (change.abs().amax(2) == change.amax(2)).float().mean().item() == pytest.approx(0.5, abs=0.2)


def test_a_drift_is_a_spline_through_a_random_walk() -> None:
    x = torch.cat([torch.zeros(4000, 1, 60), torch.ones(4000, 1, 1)], 2)
    change = (drifted(x, size=1.0, points=3) - x)[:, 0]
    # the same by scipy: five values of a walk at equal distances, started at 0, its largest size made 1
    walk = np.random.default_rng(0).standard_normal((4000, 5)).cumsum(1)
    curve = CubicSpline(np.linspace(0, 60, 5), walk, axis=1)(np.arange(61))
    curve -= curve[:, :1]
    curve /= np.abs(curve).max(1, keepdims=True)
    for step in (15, 30, 60):
        assert change[:, step].abs().mean().item() == pytest.approx(np.abs(curve[:, step]).mean(), rel=0.06)
    # four turning points at most between five knots: far smoother than noise
    turns = (change.diff(dim=1).sign().diff(dim=1) != 0).sum(1)
    assert turns.max() <= 4 and turns.float().mean() > 0.5


def test_padding_takes_no_part() -> None:
    x = torch.stack([RAMP, RAMP]).repeat(40, 1, 1)
    x[:, :, 31:] = 1000.0
    change = drifted(x, lengths=torch.tensor([31, 1]).repeat(20), size=0.5) - x
    inside = change[0::2, :, :31].abs()
    assert torch.allclose(inside.amax(2), torch.ones(20, 2), rtol=1e-4)  # half of the range of 2 within the length
    assert change[0::2, :, 31:].abs().max() < 1e-4 and change[1::2].abs().max() < 1e-4
