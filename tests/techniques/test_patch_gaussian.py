from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.patch_gaussian import PatchGaussian
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    # without bounds, to which the technique would clip
    info = BatchInfo(spec=SPEC)
    return PatchGaussian(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_noise_has_the_size_and_spread_asked_for() -> None:
    x = torch.full((500, 3, 32, 32), 0.5)
    noise = perturb(x, std=0.2, side=0.5) - x
    hit = (noise != 0).all(1)
    assert noise[noise != 0].std().item() == pytest.approx(0.2, rel=0.01)
    rows, columns = hit.any(2).sum(1), hit.any(1).sum(1)
    assert rows.max() == 16 and columns.max() == 16
    assert (hit.sum((1, 2)) == rows * columns).all()
    # a centre at i of 32 leaves min(i + 8, 32) - max(i - 8, 0) of 16 rows
    expected = sum(min(i + 8, 32) - max(i - 8, 0) for i in range(32)) / 32
    assert rows.float().mean().item() == pytest.approx(expected, rel=0.03)


def test_strength_scales_the_noise_per_sample() -> None:
    x = torch.full((3, 1, 64, 64), 0.5)
    out = perturb(x, [0.0, 0.5, 1.0], std=0.3, side=2.0) - x
    assert (out[0] == 0).all()
    assert out[1].std().item() == pytest.approx(0.15, rel=0.1)
    assert out[2].std().item() == pytest.approx(0.3, rel=0.1)
