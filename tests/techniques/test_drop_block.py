from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.drop_block import DropBlock
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.TIMESERIES, layout=(1, 8)))


def ones(n: int, ndim: int) -> torch.Tensor:
    return torch.ones(n, *[1] * (ndim - 1))


@pytest.mark.parametrize("shape", [(2, 400, 40), (2, 40, 20, 20), (2, 20_000)])
@pytest.mark.parametrize("block", [3, 4])
def test_the_share_that_goes_is_exact_with_overlaps_and_at_the_border(shape: tuple[int, ...], block: int) -> None:
    strength = torch.tensor([0.5, 1.0]).reshape(2, *[1] * (len(shape) - 1))
    out = DropBlock(p=0.3, block=block).perturb(torch.ones(shape), strength=strength, rng=generator(0), info=INFO)
    gone = (out == 0).float()
    assert gone.flatten(1).mean(1).tolist() == pytest.approx([0.15, 0.3], abs=0.025)
    if len(shape) > 2:
        assert gone[1, :, 0].mean() == pytest.approx(0.3, abs=0.06)
    assert out.flatten(1).mean(1).tolist() == pytest.approx([1, 1], abs=1e-4)


def test_what_goes_is_made_of_blocks_in_one_and_two_dimensions() -> None:
    line = DropBlock(p=0.02, block=5).perturb(torch.ones(1, 300, 60), strength=ones(1, 3), rng=generator(2), info=INFO)
    gone = (line == 0).squeeze(0).int()
    inner = gone[:, 8:-8]
    starts = (torch.diff(inner, dim=1, prepend=gone[:, 7:8]) == 1).nonzero()
    assert len(starts) > 20
    for row, column in starts.tolist():
        assert gone[row, column + 8 : column + 13].tolist() == [1] * 5
    plane = DropBlock(p=0.01, block=3).perturb(
        torch.ones(1, 50, 30, 30), strength=ones(1, 4), rng=generator(2), info=INFO
    )
    holes = (plane == 0).float()
    opened = -torch.nn.functional.max_pool2d(-holes, 3, stride=1)
    assert torch.equal(
        torch.nn.functional.max_pool2d(opened, 3, stride=1, padding=2 - 1)[..., 2:-2, 2:-2], holes[..., 3:-3, 3:-3]
    )


def test_strength_zero_is_the_identity_and_small_maps_shrink_the_block() -> None:
    h = torch.randn(2, 3, 2, 2, generator=generator(1))
    assert torch.equal(DropBlock().perturb(h, strength=torch.zeros(2, 1, 1, 1), rng=generator(0), info=INFO), h)
    out = DropBlock(p=0.5, block=7).perturb(h.half(), strength=ones(2, 4).half(), rng=generator(0), info=INFO)
    assert (out.shape, out.dtype) == (h.shape, torch.float16)
