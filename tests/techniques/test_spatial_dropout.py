from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.spatial_dropout import SpatialDropout
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(1, 8, 8)))


@pytest.mark.parametrize("shape", [(2, 4000), (2, 4000, 3), (2, 4000, 2, 3)])
def test_whole_channels_go(shape: tuple[int, ...]) -> None:
    strength = torch.tensor([0.5, 1.0]).reshape(2, *[1] * (len(shape) - 1))
    out = SpatialDropout(p=0.4).perturb(torch.ones(shape), strength=strength, rng=generator(0), info=INFO)
    channels = out.reshape(2, 4000, -1)
    assert torch.equal(channels.amin(2), channels.amax(2))
    assert (channels[..., 0] == 0).float().mean(1).tolist() == pytest.approx([0.2, 0.4], abs=0.03)
    assert out.mean((1, *range(2, out.ndim))).tolist() == pytest.approx([1, 1], abs=0.04)


def test_strength_zero_is_the_identity() -> None:
    h = torch.randn(3, 5, 4, 4, generator=generator(1))
    assert torch.equal(SpatialDropout().perturb(h, strength=torch.zeros(3, 1, 1, 1), rng=generator(0), info=INFO), h)
