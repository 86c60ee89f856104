from __future__ import annotations

import pytest
import torch

from autonoise.ops.masks import chance, dropped, dropped_alike, movable, numbers, numeric_columns, rms, select
from autonoise.ops.random import generator
from autonoise.types import BatchInfo, DataType, InputSpec


def test_chance_has_the_rate_of_each_row_and_no_correlations() -> None:
    rate = torch.tensor([0.0, 0.01, 0.3, 0.95])[:, None]
    hit = chance(rate, (4, 100_001), generator(0)).float()
    assert hit.mean(1).tolist() == pytest.approx([0, 0.01, 0.3, 0.95], abs=0.005)
    assert hit[0].sum() == 0
    row = hit[2] - hit[2].mean()
    for lag in (1, 2, 3, 4):  # four draws share a word
        assert abs((row[lag:] * row[:-lag]).mean() / row.var()) < 0.02
    assert torch.equal(hit, chance(rate, (4, 100_001), generator(0)).float())


def test_chance_of_one_is_all_but_one_in_65536() -> None:
    assert chance(torch.ones(1), (200_000,), generator(0)).float().mean() > 0.9999


def test_dropped_keeps_the_mean() -> None:
    out = dropped(torch.ones(2, 50_000), torch.tensor([[0.2], [2.0]]), torch.Size((2, 50_000)), generator(0))
    assert out.mean(1).tolist() == pytest.approx([1, 1], abs=0.06)
    assert (out == 0).float().mean(1).tolist() == pytest.approx([0.2, 0.95], abs=0.01)


def test_numeric_columns_are_named_or_what_is_left() -> None:
    x = torch.zeros(2, 4)
    named = BatchInfo(InputSpec(data_type=DataType.TABULAR, layout=(4,), numeric=(1, 3)))
    assert numeric_columns(x, named).tolist() == [False, True, False, True]
    rest = InputSpec(data_type=DataType.TABULAR, layout=(4,), flags=((2, 0),))
    assert numeric_columns(x, BatchInfo(rest)).tolist() == [True, True, False, True]
    assert numeric_columns(x, BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(4,)))) is None


def test_movable_knows_lengths_and_validity() -> None:
    audio = InputSpec(data_type=DataType.AUDIO, layout=(3,))
    assert movable(torch.zeros(2, 3), BatchInfo(audio)) is None
    mask = movable(torch.zeros(2, 3), BatchInfo(audio, lengths=torch.tensor([3, 1])))
    assert mask.tolist() == [[True] * 3, [True, False, False]]
    text = InputSpec(data_type=DataType.TEXT, layout=(2,))
    # tokens need not stand at the beginning: lengths say nothing of a text
    info = BatchInfo(text, valid=torch.tensor([[False, True], [True, False]]), lengths=torch.tensor([1, 1]))
    expected = [[False, True], [True, False]]
    assert movable(torch.zeros(2, 2, dtype=torch.long), info).tolist() == expected
    assert movable(torch.zeros(2, 2, 5), info)[..., 0].tolist() == expected
    table = InputSpec(data_type=DataType.TABULAR, layout=(2,), numeric=(0,))
    valid = torch.tensor([[True, True], [False, True]])
    assert movable(torch.zeros(2, 2), BatchInfo(table, valid=valid)).tolist() == [[True, False], [False, False]]


def test_rms_by_hand() -> None:
    h = torch.tensor([[3.0, 4.0], [1.0, 100.0]])
    assert rms(h)[:1].tolist() == [[pytest.approx(12.5**0.5)]]
    assert rms(h, torch.tensor([[True, True], [True, False]])).flatten().tolist() == pytest.approx([12.5**0.5, 1])
    assert rms(h.half() * 300).dtype == torch.float16
    assert torch.isfinite(rms(h.half() * 300)).all()


def test_numbers_are_the_same_draws_as_chance() -> None:
    rate = torch.tensor([[0.1], [0.7]])
    drawn = numbers(rate, (2, 1001), generator(4), torch.float16)
    assert drawn.dtype == torch.float16
    assert torch.equal(drawn.bool(), chance(rate, (2, 1001), generator(4)))


def test_select_is_where_bit_for_bit() -> None:
    new, old = torch.randn(2, 300, generator=generator(5)) * 1e6, torch.randn(2, 300, generator=generator(6)) * 1e-6
    mask = torch.rand(2, 300, generator=generator(7)) < 0.5
    assert torch.equal(select(mask, new, old), torch.where(mask, new, old))
    assert torch.equal(select(mask[:, :1], new, old), torch.where(mask[:, :1], new, old))
    assert torch.equal(select(mask, new.long(), old.long()), torch.where(mask, new.long(), old.long()))


def test_gradients_of_select_go_only_to_what_was_taken() -> None:
    new, old = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    mask = torch.tensor([True, False, True])
    select(mask, new, old).sum().backward()
    assert new.grad.tolist() == [1, 0, 1]
    assert old.grad.tolist() == [0, 1, 0]


def test_dropped_alike_keeps_the_mean() -> None:
    for rate, gone in ((0.0, 0), (0.2, 0.2), (2.0, 0.95)):
        out = dropped_alike(torch.ones(300, 301), rate, generator(0))
        assert float(out.mean()) == pytest.approx(1, abs=0.06)
        assert float((out == 0).float().mean()) == pytest.approx(gone, abs=0.01)
