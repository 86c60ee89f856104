from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.random_convolution import RandomConvolution
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 15, 15)))


def convolved(x: Tensor, strength: float = 1.0, **parameters: float) -> Tensor:
    s = torch.full((len(x), 1, 1, 1), strength)
    return RandomConvolution(**parameters).perturb(x, strength=s, rng=generator(0), info=INFO)  # type: ignore[arg-type]


def test_one_pixel_kernels_scale_the_distance_from_grey() -> None:
    x = torch.full((6000, 1, 2, 2), 0.5) + torch.tensor([[0.1, 0.2], [-0.3, 0.0]])
    factor = (convolved(x, largest=1) - 0.5) / (x - 0.5)
    assert torch.allclose(factor[:, 0, 0, 0], factor[:, 0, 1, 0], atol=1e-4)
    r = factor[:, 0, 0, 1]
    # r = 1 - u + u w with w of mean 0 and variance 2: the mean is 1/2, the mean square 1/3 + 2/3
    assert r.mean().item() == pytest.approx(0.5, abs=0.04)
    assert r.square().mean().item() == pytest.approx(1.0, abs=0.06)
    assert torch.allclose(convolved(x), convolved(x, 2.0))


def test_a_point_shows_the_kernel() -> None:
    x = torch.full((4000, 3, 15, 15), 0.5)
    x[:, 1, 7, 7] = 1.0
    change = (convolved(x, 0.5, share=0.4) - x) / 0.5
    reach = (change.abs() > 1e-7).any(1)
    size = torch.stack([reach[:, 7 - h, 7 - h] for h in (0, 1, 2, 3)], 1).sum(1)
    assert size.bincount(minlength=5)[1:].div(4000).tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert not reach[:, 7, :4].any() and not reach[:, :4, 7].any()
    change[:, 1, 7, 7] = 0  # that pixel also loses its own value
    power = change.square().sum((1, 2, 3))
    # 3 channels of k^2 weights of variance 2 / (3 k^2), without the one left out, times the mean of (0.2 u)^2
    for number, side in ((1, 1), (2, 3), (4, 7)):
        expected = (3 * side**2 - 1) * 2 / (3 * side**2) * 0.04 / 3
        assert power[size == number].mean().item() == pytest.approx(expected, rel=0.12)
