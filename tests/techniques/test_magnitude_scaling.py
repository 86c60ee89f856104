from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.magnitude_scaling import MagnitudeScaling
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC)
    return MagnitudeScaling(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_the_gain_is_one_per_channel_with_the_spread_asked_for() -> None:
    x = torch.randn(2000, 3, 8, generator=generator(1))
    gain = perturb(x, sigma=0.2) / x
    assert torch.allclose(gain.amax(2), gain.amin(2), atol=1e-3)
    assert gain[..., 0].std().item() == pytest.approx(0.2, rel=0.05)
    assert gain[..., 0].mean().item() == pytest.approx(1, abs=4 * 0.2 / 6000**0.5)


def test_strength_is_per_sample() -> None:
    x = torch.ones(3, 2, 5)
    out = perturb(x, [0.0, 0.5, 1.0]) - 1
    assert (out[0] == 0).all()
    assert torch.allclose(out[1] * 2, perturb(x)[1] - 1, atol=1e-6)
