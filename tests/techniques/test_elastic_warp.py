from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.elastic_warp import ElasticWarp
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    # without bounds, to which the technique would clip
    info = BatchInfo(spec=SPEC)
    return ElasticWarp(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def ramp(batch: int, size: int) -> Tensor:
    """Two channels whose values are their own coordinates, so that a warp shows its displacement."""
    at = torch.arange(size, dtype=torch.float32)
    return torch.stack([at.expand(size, -1), at[:, None].expand(-1, size)])[None].repeat(batch, 1, 1, 1)


@pytest.mark.parametrize("size", [32, 64])
def test_the_rms_displacement_is_what_was_asked_for(size: int) -> None:
    x = ramp(64, size)
    moved = (perturb(x, displacement=0.5) - x).square().sum(1)
    inner = moved[:, 4:-4, 4:-4]
    # reflection at the border hides part of it, so look inside and average over warps
    assert inner.mean().sqrt().item() == pytest.approx(0.5 * size / 32, rel=0.2)


def test_the_field_is_smooth_and_strength_is_linear_per_sample() -> None:
    x = ramp(3, 32)
    out = perturb(x, [0.0, 0.5, 1.0], displacement=0.6)
    assert torch.allclose(out[0], x[0], atol=1e-4)
    full = perturb(x, 1.0, displacement=0.6)
    inside = (slice(None), slice(4, -4), slice(4, -4))
    assert torch.allclose((out - x)[1][inside] * 2, (full - x)[1][inside], atol=1e-3)
    assert (full - x)[2][inside].diff(dim=-1).abs().max() < 0.6


def test_different_images_are_warped_differently() -> None:
    x = torch.rand(1, 1, 28, 28, generator=generator(0)).repeat(2, 1, 1, 1)
    out = perturb(x)
    assert (out[0] - out[1]).abs().max() > 0.05
    assert out.min() >= 0 and out.max() <= 1
