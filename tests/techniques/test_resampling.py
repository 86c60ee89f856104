from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.resampling import Resampling
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(1, 101))
TIME = torch.arange(101.0)


def resampled(x: Tensor, strength: float = 1.0, lengths: Tensor | None = None, keep: float = 0.2) -> Tensor:
    info, s = BatchInfo(spec=SPEC, lengths=lengths), torch.full((len(x), 1, 1), strength)
    return Resampling(keep=keep).perturb(x, strength=s, rng=generator(0), info=info)


# a chord over g steps lies above the parabola t^2 by (t - a)(a + g - t), on average over its steps by (g^2 - 1) / 6:
# 4 for gaps of 5; (2 * 3 / 6 + 3 * 8 / 6) / 5 for gaps of 2 and 3; (2 * 2 * 3 / 6 + 0) / 5 for gaps of 2, 2 and 1
@pytest.mark.parametrize(("keep", "strength", "expected"), [(0.2, 1.0, 4.0), (0.4, 1.0, 1.0), (0.2, 0.5, 0.4)])
def test_lines_run_between_points_of_equal_distance(keep: float, strength: float, expected: float) -> None:
    parabola = TIME.square().expand(300, 1, -1).contiguous()
    error = (resampled(parabola, strength, keep=keep) - parabola)[:, 0, 8:-8]
    assert error.mean().item() == pytest.approx(expected, rel=0.04)
    kept = (error.abs() < 1e-2).float()
    assert kept.mean().item() == pytest.approx(1 - strength * (1 - keep), abs=0.01)
    assert kept.mean(0).amin() > 0.05  # the points lie elsewhere in each row
    if strength == 1 and keep == 0.2:
        assert error.amax(1).unique().tolist() == [6.0]  # 2 * 3, in the middle of five steps


def test_straight_lines_and_strength_0_stay() -> None:
    line = (3 * TIME - 7).expand(5, 2, -1).contiguous()
    assert torch.allclose(resampled(line), line, atol=1e-3)
    noise = torch.randn(5, 2, 101, generator=generator(3))
    assert torch.equal(resampled(noise, 0.0), noise)
    changed = (resampled(noise, 0.0125) != noise).sum((1, 2))  # one value in a hundred goes, of both channels
    assert changed.max() <= 4 and changed.float().mean() > 1


def test_the_end_of_a_row_and_its_padding_stay() -> None:
    x = torch.randn(20, 1, 101, generator=generator(4))
    out = resampled(x, lengths=torch.full((20,), 50))
    assert torch.equal(out[:, :, 50:], x[:, :, 50:]) and torch.allclose(out[:, :, 49], x[:, :, 49], atol=1e-4)
    other = x.clone()
    other[:, :, 50:] = 99.0
    assert torch.equal(resampled(other, lengths=torch.full((20,), 50))[:, :, :50], out[:, :, :50])
