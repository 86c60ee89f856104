from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.random_erasing import RandomErasing
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    # without bounds, so that the -1 of the tests below stays where nothing is erased
    info = BatchInfo(spec=SPEC)
    return RandomErasing(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def boxes(size: tuple[int, int], batch: int = 2000, **arguments: float) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.full((batch, 1, *size), -1.0)
    out = perturb(x, **arguments)  # type: ignore[arg-type]
    hit = (out != -1)[:, 0]
    tall, wide = hit.any(2).sum(1), hit.any(1).sum(1)
    assert (hit.sum((1, 2)) == tall * wide).all()
    values = out[out != -1]
    assert values.mean().item() == pytest.approx(0.5, abs=0.01)
    assert values.std().item() == pytest.approx(12**-0.5, abs=0.01)
    return tall.float(), wide.float(), hit


def test_area_is_uniform_and_aspect_in_range() -> None:
    tall, wide, hit = boxes((64, 64), area=0.33)
    share = tall * wide / 64**2
    assert share.mean().item() == pytest.approx((0.02 + 0.33) / 2, rel=0.04)
    assert share.max() < 0.35 and share.min() > 0.015
    aspect = (tall / wide).log()
    assert aspect.abs().max() < math.log(1 / 0.3) + 0.15
    assert aspect.std().item() == pytest.approx(2 * math.log(1 / 0.3) / 12**0.5, rel=0.08)
    assert hit[:, 0, 0].any() and hit[:, -1, -1].any()


def test_large_areas_of_long_images_still_fit() -> None:
    tall, wide, _ = boxes((16, 64), batch=500, area=1.0)
    assert (tall * wide / 1024).mean().item() == pytest.approx(0.51, rel=0.06)


def test_strength_scales_the_area_per_sample() -> None:
    x = torch.full((3, 1, 64, 64), -1.0)
    shares = torch.stack(
        [(perturb(x, [0.0, 0.5, 1.0], seed=s, area=0.4) != -1).float().mean((1, 2, 3)) for s in range(200)]
    ).mean(0)
    assert shares[0] == 0
    assert shares[1:].tolist() == pytest.approx([0.105, 0.21], rel=0.12)
