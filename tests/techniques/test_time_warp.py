from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.time_warp import TimeWarp
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(
    x: Tensor, strength: float | list[float] = 1.0, lengths: Tensor | None = None, **parameters: float
) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, lengths=lengths)
    return TimeWarp(**parameters).perturb(x, strength=s, rng=generator(0), info=info)  # type: ignore[arg-type]


def times(batch: int, size: int) -> Tensor:
    """A series that shows its own time."""
    return torch.arange(float(size)).expand(batch, 1, size).contiguous()


def test_time_runs_forward_between_fixed_ends() -> None:
    out = perturb(times(50, 100), sigma=0.5)[:, 0]
    assert torch.allclose(out[:, 0], torch.zeros(50), atol=1e-4)
    assert torch.allclose(out[:, -1], torch.full((50,), 99.0), atol=1e-3)
    assert (out.diff(dim=1) > 0).all()


def test_the_log_speed_has_the_spread_asked_for() -> None:
    speed = perturb(times(3000, 61), sigma=0.1, knots=5)[:, 0].diff(dim=1)  # knots at 0, 10, .. 60
    at_knots = speed[:, 10:50:10].log()
    # scaling to the fixed ends takes out the mean over time
    curve = np.random.default_rng(0).standard_normal((20_000, 7))
    dense = CubicSpline(np.arange(0, 61, 10), curve.T)(np.arange(61)).T
    middle = 0.1 * (dense[:, 1:] + dense[:, :-1]) / 2
    expected = (middle - np.log(np.exp(middle).mean(1, keepdims=True)))[:, 10:50:10].std()
    assert at_knots.std().item() == pytest.approx(expected, rel=0.04)


def test_padding_stays_and_each_row_keeps_its_own_end() -> None:
    out = perturb(times(3, 50), lengths=torch.tensor([50, 20, 1]))[:, 0]
    assert out[1, 20:].tolist() == list(range(20, 50)) and out[2].tolist() == list(range(50))
    assert out[1, 19].item() == pytest.approx(19, abs=1e-3)
    assert (out[1, 1:19] - torch.arange(1.0, 19.0)).abs().max() > 0.05


def test_strength_zero_keeps_channels_share_the_warp() -> None:
    x = times(3, 64).repeat(1, 2, 1)
    out = perturb(x, [0.0, 0.1, 1.0])
    assert torch.allclose(out[0], x[0], atol=1e-4)
    assert torch.equal(out[2, 0], out[2, 1])
    assert (out[1] - x[1]).abs().max() < (perturb(x)[1] - x[1]).abs().max() / 5
    assert perturb(x[:, :, :1]).shape == (3, 2, 1)
