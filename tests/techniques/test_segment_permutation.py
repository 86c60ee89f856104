from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.segment_permutation import SegmentPermutation
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(
    x: Tensor, strength: float | list[float] = 1.0, lengths: Tensor | None = None, **parameters: float
) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, lengths=lengths)
    return SegmentPermutation(**parameters).perturb(x, strength=s, rng=generator(0), info=info)  # type: ignore[arg-type]


def times(batch: int, size: int) -> Tensor:
    return torch.arange(size).expand(batch, 2, size).to(torch.float64)


def test_pieces_are_moved_whole_and_nothing_is_lost() -> None:
    out = perturb(times(300, 60), segments=4)
    assert torch.equal(out.sort(dim=2).values, times(300, 60))
    assert torch.equal(out[:, 0], out[:, 1])
    breaks = (out[:, 0].diff(dim=1) != 1).sum(1)
    assert breaks.max() == 3
    assert breaks.float().mean() > 1.5


def test_all_orders_of_two_pieces_are_equally_likely() -> None:
    out = perturb(times(2000, 50), segments=2)[:, 0]
    kept = (out.diff(dim=1) == 1).all(1).float().mean().item()
    assert abs(kept - 0.5) < 4 * 0.5 / 2000**0.5 + 0.01


def test_padding_stays_at_the_end() -> None:
    out = perturb(times(50, 30), lengths=torch.full((50,), 17))[:, 0]
    assert torch.equal(out[:, 17:], times(50, 30)[:, 0, 17:])
    assert torch.equal(out[:, :17].sort(dim=1).values, times(50, 17)[:, 0])
    assert (out[:, :17] != times(50, 17)[:, 0]).any()


def test_strength_switches_per_sample() -> None:
    out = perturb(times(40, 30), [0.0, 1.0] * 20)
    assert torch.equal(out[::2], times(20, 30))
    assert (out[1::2] != times(20, 30)).any(2).any(1).float().mean() > 0.7
