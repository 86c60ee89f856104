from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.photometric_jitter import PhotometricJitter
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    # without bounds, to which the technique would clip
    info = BatchInfo(spec=SPEC)
    return PhotometricJitter(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


OFF = {"brightness": 0.0, "contrast": 0.0, "gamma": 0.0}


def images(batch: int = 8) -> Tensor:
    return torch.rand(batch, 2, 16, 16, generator=generator(3))


def test_brightness_shifts_by_up_to_its_value() -> None:
    x = images(2000)
    shift = perturb(x, **{**OFF, "brightness": 0.3}) - x
    each = shift.mean((1, 2, 3))
    assert torch.allclose(shift, each.reshape(-1, 1, 1, 1).expand_as(shift), atol=1e-5)
    assert each.std().item() == pytest.approx(0.3 / 3**0.5, rel=0.05)
    assert each.abs().max() <= 0.3 + 1e-5


def test_contrast_scales_around_the_mean() -> None:
    x = images()
    out = perturb(x, **{**OFF, "contrast": 0.6})
    assert torch.allclose(out.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-5)
    factor = out.std((1, 2, 3)) / x.std((1, 2, 3))
    assert (factor - 1).abs().max() > 0.05 and ((factor > 0.4) & (factor < 1.6)).all()


def test_gamma_is_a_power_of_at_most_two_octaves() -> None:
    x = images(200)
    out = perturb(x, **{**OFF, "gamma": 2.0})
    power = (out.double().log() / x.double().log())[x.gt(0.1).logical_and(x.lt(0.9)).all(1, keepdim=True).expand_as(x)]
    assert 0.25 <= power.min() < 0.3 and 3.5 < power.max() <= 4.01


def test_strength_zero_keeps_and_acts_per_sample() -> None:
    x = images(3)
    out = perturb(x, [0.0, 1.0, 1e-4])
    assert torch.equal(out[0], x[0])
    assert (out[1] - x[1]).abs().max() > 0.01
    assert (out[2] - x[2]).abs().max() < 1e-3
