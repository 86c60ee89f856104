import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.time_shift import TimeShift, moved_by
from autonoise.types import BatchInfo, DataType, InputSpec

AUDIO = InputSpec(data_type=DataType.AUDIO, layout=(100,))
SERIES = InputSpec(data_type=DataType.TIMESERIES, layout=(2, 100))


def shifts(x: torch.Tensor, out: torch.Tensor) -> list[int]:
    """The shift of each row of numbers 1..T; also checks that what was shifted in are zeros."""
    kept = out > 0
    found = (torch.arange(1, x.shape[1] + 1) - out.float()).masked_fill(~kept, -1e9).amax(1)
    assert torch.equal(out.float(), ((torch.arange(1, x.shape[1] + 1) - found[:, None]) * kept))
    assert torch.equal(kept.sum(1), x.shape[1] - found.abs().long())
    return [int(f) for f in found]


def test_shift_is_uniform_on_the_share_of_the_length() -> None:
    x = torch.arange(1.0, 101).repeat(900, 1)
    strength = torch.tensor([0.0, 0.5, 1.0]).repeat(300).unsqueeze(1)
    out = TimeShift(fraction=0.2).perturb(x, strength=strength, rng=generator(0), info=BatchInfo(spec=AUDIO))
    found = shifts(x, out)
    assert set(found[0::3]) == {0}
    assert set(found[1::3]) == set(range(-10, 11))
    assert set(found[2::3]) == set(range(-20, 21))


def test_channels_move_together_and_lengths_bound_the_shift() -> None:
    x = torch.arange(1.0, 101).expand(50, 2, 100).half()
    info = BatchInfo(spec=SERIES, lengths=torch.full((50,), 20))
    out = TimeShift(fraction=0.5).perturb(x, strength=torch.ones(50, 1, 1).half(), rng=generator(0), info=info)
    assert out.dtype == torch.float16 and torch.equal(out[:, 0], out[:, 1])
    found = shifts(x[:, 0], out[:, 0])
    assert max(map(abs, found)) == pytest.approx(10, abs=1)
    assert len(set(found)) > 10


def test_too_strong_a_shift_is_bounded_by_the_length() -> None:
    x = torch.ones(20, 100)
    strength = torch.full((20, 1), 99.0)
    out = TimeShift(fraction=0.3).perturb(x, strength=strength, rng=generator(0), info=BatchInfo(spec=AUDIO))
    assert out.isfinite().all() and (out.sum(1) > 0).float().mean() > 0.8


def test_read_step_by_step_as_on_a_gpu() -> None:
    x = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]])
    shift = torch.tensor([[1], [-3], [9]])
    expected = torch.tensor([[0.0, 1, 2, 3], [8, 0, 0, 0], [0, 0, 0, 0]])
    assert torch.equal(moved_by(x, shift), expected)
    both = torch.stack([x, 2 * x], dim=1)
    assert torch.equal(moved_by(both, shift[:, None]), torch.stack([expected, 2 * expected], dim=1))
