from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.magnitude_warp import MagnitudeWarp
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC)
    return MagnitudeWarp(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_the_curve_is_a_spline_through_values_of_the_spread_asked_for() -> None:
    curve = perturb(torch.ones(1500, 2, 51), sigma=0.2, knots=4) - 1  # knots at 0, 10, .. 50
    assert curve[..., ::10].std().item() == pytest.approx(0.2, rel=0.03)
    again = CubicSpline(np.arange(0, 51, 10), curve[0, 0, ::10].numpy())(np.arange(51))
    assert np.abs(again - curve[0, 0].numpy()).max() < 1e-5
    assert abs(torch.corrcoef(torch.stack([curve[:, 0, 0], curve[:, 1, 0]]))[0, 1].item()) < 0.1


def test_strength_is_linear_per_sample_and_half_precision_is_kept() -> None:
    x = torch.ones(3, 1, 40)
    out = perturb(x, [0.0, 0.5, 1.0]) - 1
    assert (out[0] == 0).all()
    assert torch.allclose(out[1] * 2, perturb(x)[1] - 1, atol=1e-6)
    assert perturb(x.half()).dtype == torch.float16
