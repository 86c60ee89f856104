from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.ops.series import rising_curve
from autonoise.techniques.speed_change import SpeedChange
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(2, 121))


def times(rows: int, strength: float = 1.0, lengths: Tensor | None = None, **parameters: float) -> Tensor:
    """The times (rows, 121) at which a series of 121 steps is read."""
    x = torch.arange(121.0).expand(rows, 2, 121).contiguous()
    info, s = BatchInfo(spec=SPEC, lengths=lengths), torch.full((rows, 1, 1), strength)
    out = SpeedChange(**parameters).perturb(x, strength=s, rng=generator(1), info=info)  # type: ignore[arg-type]
    assert torch.equal(out[:, 0], out[:, 1])
    return out[:, 0]


def test_the_monotone_curve_is_that_of_scipy() -> None:
    values = np.array([[0.0, 1.0, 1.5, 4.0, 4.1], [0.0, 5.0, 5.2, 5.3, 9.0]])
    places = np.linspace(0, 4, 81)
    curve = rising_curve(torch.tensor(values), torch.tensor(places).expand(2, -1))
    assert curve.numpy() == pytest.approx(PchipInterpolator(np.arange(5), values, axis=1)(places), abs=1e-9)


@pytest.mark.parametrize(("ratio", "strength", "expected"), [(3.0, 1.0, 3.0), (4.0, 0.5, 2.0), (3.0, 0.0, 1.0)])
def test_the_fastest_stretch_is_so_many_times_the_slowest(ratio: float, strength: float, expected: float) -> None:
    read = times(60, strength, ratio=ratio, stretches=4)
    # the series is read in four stretches of 30 steps, each of a speed of its own on average
    speed = read[:, [0, 30, 60, 90, 120]].diff(dim=1)
    assert torch.allclose(speed.amax(1) / speed.amin(1), torch.full((60,), expected), rtol=1e-3)
    assert torch.allclose(speed.sum(1), torch.full((60,), 120.0), rtol=1e-4)
    assert (read.diff(dim=1) > 0).all()
    if strength == 0:
        assert torch.allclose(read, torch.arange(121.0).expand(60, -1), atol=1e-3)


def test_speeds_between_are_uniform() -> None:
    speed = times(4000, ratio=3.0, stretches=3)[:, [0, 40, 80, 120]].diff(dim=1).sort(dim=1).values
    share = (speed[:, 1] - speed[:, 0]) / (speed[:, 2] - speed[:, 0])
    # the middle one of three uniform draws, between the others
    assert share.mean().item() == pytest.approx(0.5, abs=0.02)
    assert share.std().item() == pytest.approx(0.5 / 3**0.5, abs=0.02)


def test_each_row_keeps_its_own_end_and_its_padding() -> None:
    read = times(3, lengths=torch.tensor([121, 61, 1]))
    assert read[1, 60].item() == pytest.approx(60, abs=1e-3) and read[1, 61:].tolist() == list(range(61, 121))
    assert read[2].tolist() == list(range(121))
    assert (read[1, :60] - torch.arange(60.0)).abs().max() > 1
