"""Masks of clips and series as Transformers gives them."""

from __future__ import annotations

import pytest
import torch

from autonoise.batches import batch_adapter
from autonoise.errors import AttachError
from autonoise.types import DataType, InputSpec

RIGHT = torch.tensor([[1] * 70 + [0] * 10, [1] * 80])


@pytest.mark.parametrize(("data_type", "key", "shape"), [("audio", "input_values", (2, 80)),
                                                         ("timeseries", "past_values", (2, 3, 80))])  # fmt: skip
def test_an_attention_mask_is_the_true_length(data_type: str, key: str, shape: tuple[int, ...]) -> None:
    adapter, spec = batch_adapter(data_type), InputSpec(data_type=DataType(data_type), layout=shape[1:])
    batch = {key: torch.zeros(shape), "attention_mask": RIGHT}
    info = adapter.open(batch, spec)[1]
    assert info.lengths is not None and info.valid is not None
    assert info.lengths.tolist() == [70, 80]
    assert torch.equal(info.valid.reshape(2, 80), RIGHT.bool())
    with pytest.raises(AttachError, match="pad on the right"):
        adapter.open({**batch, "attention_mask": RIGHT.flip(1)}, spec)
    joined = adapter.join(batch, torch.tensor([1, 0]), torch.tensor([0.5, 1.0]))
    assert isinstance(joined, dict)
    assert joined["attention_mask"].sum(1).tolist() == [80, 80]
    assert torch.equal(adapter.join(batch, torch.tensor([1, 0]), torch.ones(2))["attention_mask"], RIGHT)  # type: ignore[index]


def test_series_with_channels_last_are_refused() -> None:
    adapter, spec = batch_adapter("timeseries"), InputSpec(data_type=DataType.TIMESERIES, layout=(3, 80))
    with pytest.raises(AttachError, match=r"\(2, 80, 3\), channels last; .* use x.transpose\(1, 2\)"):
        adapter.check(torch.randn(2, 80, 3), spec, explicit=False)
    adapter.check(torch.randn(2, 3, 90), spec, explicit=False)
