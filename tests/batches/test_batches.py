"""Opening batches into canonical units and closing them again, by hand."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from autonoise.batches import batch_adapter
from autonoise.batches.tabular import infer_columns
from autonoise.errors import AttachError
from autonoise.types import Batch, DataType, InputSpec, Scale


def spec(data_type: str, layout: tuple[int, ...] = (), **values: Any) -> InputSpec:
    return InputSpec(data_type=DataType(data_type), layout=layout, **values)


def opened(batch: Batch, description: InputSpec) -> Tensor:
    return batch_adapter(description.data_type).open(batch, description)[0]


def fitted(batch: Batch, description: InputSpec, *, explicit: bool = False) -> InputSpec:
    return batch_adapter(description.data_type).check(batch, description, explicit=explicit)


# -- there and back ----------------------------------------------------------------------------------------------

PIXELS = torch.tensor([[[[0.0, 0.5]], [[1.0, 0.25]]]])  # (1, 2, 1, 2)
BYTES = torch.tensor([[[[0, 128]], [[255, 64]]]], dtype=torch.uint8)
SERIES = torch.tensor([[[10.0, 14.0], [-1.0, 0.0]]])  # (1, 2, 2)
CASES: list[tuple[Batch, InputSpec, list[Any]]] = [
    (PIXELS, spec("image"), PIXELS.tolist()),
    (PIXELS * 255, spec("image", scale=Scale.BYTE), PIXELS.tolist()),
    (BYTES, spec("image", scale=Scale.BYTE), [[[[0.0, 128 / 255]], [[1.0, 64 / 255]]]]),
    (PIXELS * 2 - 1, spec("image", scale=Scale.STANDARDISED, mean=(0.5,), std=(0.5,)), PIXELS.tolist()),
    (
        torch.stack([(PIXELS[:, 0] - 0.2) / 0.1, (PIXELS[:, 1] - 0.4) / 0.3], dim=1),
        spec("image", scale=Scale.STANDARDISED, mean=(0.2, 0.4), std=(0.1, 0.3)), PIXELS.tolist(),
    ),
    (SERIES, spec("timeseries", scale=Scale.STANDARDISED), SERIES.tolist()),
    (SERIES, spec("timeseries", mean=(12.0, 0.0), std=(2.0, 0.5)), [[[-1.0, 1.0], [-2.0, 0.0]]]),
    (SERIES[:, 0], spec("timeseries", mean=(12.0,), std=(2.0,)), [[[-1.0, 1.0]]]),
    (
        torch.tensor([[30.0, 1.0, 0.0, 7.0]]), spec("tabular", numeric=(0,), onehot=((1, 2),), codes=(3,), mean=(20.0,),
        std=(5.0,)), [[2.0, 1.0, 0.0, 7.0]],
    ),
    (torch.tensor([[0.5, -1.0] * 40]), spec("audio"), [[0.5, -1.0] * 40]),
    (torch.tensor([[2.0, -4.0] * 40]), spec("audio", scale=Scale.STANDARDISED, std=(4.0,)), [[0.5, -1.0] * 40]),
    (torch.tensor([[[0.5, -1.0] * 40]]), spec("audio"), [[0.5, -1.0] * 40]),
    (torch.tensor([[5, 6, 0]]), spec("text", pad_id=0), [[5, 6, 0]]),
]  # fmt: skip


@pytest.mark.parametrize(("batch", "description", "canonical"), CASES)
def test_canonical_units_and_back(batch: Tensor, description: InputSpec, canonical: list[Any]) -> None:
    x = opened(batch, description)
    assert torch.allclose(x.float(), torch.tensor(canonical).float(), atol=1e-6)
    back = batch_adapter(description.data_type).close(batch, x, description)
    assert isinstance(back, Tensor)
    assert (back.dtype, back.shape) == (batch.dtype, batch.shape)
    assert torch.allclose(back.float(), batch.float(), atol=1e-5)


@pytest.mark.parametrize(("data_type", "key", "shape"), [
    ("image", "pixel_values", (2, 3, 4, 4)), ("timeseries", "past_values", (2, 3, 9)),
    ("audio", "input_values", (2, 99)), ("text", "input_ids", (2, 7)), ("tabular", "numeric", (2, 5)),
])  # fmt: skip
def test_dicts_keep_what_else_they_hold(data_type: str, key: str, shape: tuple[int, ...]) -> None:
    adapter = batch_adapter(data_type)
    main = torch.zeros(shape, dtype=torch.long if data_type == "text" else torch.float32)
    batch: dict[str, Tensor] = {"other": torch.arange(2), key: main}
    assert adapter.main(batch) is main
    assert adapter.size(batch) == 2
    changed = adapter.replace(batch, main + 1)
    assert isinstance(changed, dict)
    assert torch.equal(changed[key], main + 1)
    assert changed["other"] is batch["other"]
    assert not main.any()


# -- what is valid -----------------------------------------------------------------------------------------------


def test_valid_positions_of_texts() -> None:
    ids = torch.tensor([[2, 5, 6, 3, 0], [2, 7, 3, 0, 9]])
    description = spec("text", pad_id=0, special_ids=(2, 3))
    _, info = batch_adapter("text").open(ids, description)
    assert info.valid is not None
    assert info.lengths is None  # the words are no prefix
    assert info.valid.tolist() == [[False, True, True, False, False], [False, True, False, False, True]]
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    _, info = batch_adapter("text").open({"input_ids": ids, "attention_mask": mask}, description)
    assert info.valid is not None
    assert info.valid[1].tolist() == [False, True, False, False, False]
    # a mask is none of the text's own tokens, whether it stands among the special ids or not
    _, info = batch_adapter("text").open(ids, spec("text", mask_id=7, unk_id=5))
    assert info.valid is not None
    assert info.valid.tolist() == [[True] * 5, [True, False, True, True, True]]


def test_valid_positions_of_series_and_audio() -> None:
    x = torch.zeros(2, 2, 4)
    x[0, 1, 2] = torch.nan
    batch = {"series": x, "lengths": torch.tensor([4, 1])}
    _, info = batch_adapter("timeseries").open(batch, spec("timeseries"))
    assert info.valid is not None
    short = [True, False, False, False]
    assert info.valid.expand_as(x).tolist() == [[[True] * 4, [True, True, False, True]], [short, short]]
    batch = {"waveform": torch.zeros(2, 4), "lengths": torch.tensor([4, 1])}
    _, info = batch_adapter("audio").open(batch, spec("audio"))
    assert info.valid is not None
    assert info.valid.tolist() == [[True] * 4, [True, False, False, False]]
    assert info.bounds == (-1.0, 1.0)


def test_columns_of_tables() -> None:
    description = spec("tabular", (7,), scale=Scale.STANDARDISED, numeric=(0, 1), onehot=((2, 3),), codes=(4,),
                       flags=((5, 1), (6, 2)))  # fmt: skip
    x = torch.zeros(2, 7)
    x[0, 1] = torch.nan
    _, info = batch_adapter("tabular").open(x, description)
    assert info.feature_of is not None
    assert info.categorical is not None
    assert info.valid is not None
    assert info.feature_of.tolist() == [0, 1, 3, 3, 2, 1, 3]
    assert info.categorical.tolist() == [False, False, True, True, True, False, False]
    assert info.valid.sum().item() == 13
    codes = batch_adapter("tabular").code_columns(description, x)
    assert codes is not None
    assert codes.tolist() == [False] * 4 + [True] + [False] * 2


def test_tables_as_dicts() -> None:
    numeric, codes = torch.randn(3, 2), torch.tensor([[300, 1], [5, 2], [0, 3]])
    description = fitted({"numeric": numeric, "categorical": codes}, spec("tabular", (9,)))
    assert (description.layout, description.numeric, description.codes) == ((4,), (0, 1), (2, 3))
    adapter = batch_adapter("tabular")
    half = {"numeric": numeric.to(torch.bfloat16), "categorical": codes}
    assert adapter.main(half)[0, 2] == 300
    back = adapter.replace(half, adapter.main(half))
    assert isinstance(back, dict)
    assert (back["numeric"].dtype, back["categorical"].dtype) == (torch.bfloat16, torch.int64)
    assert torch.equal(back["categorical"], codes)
    only = adapter.replace({"categorical": codes}, adapter.main({"categorical": codes}))
    assert isinstance(only, dict)
    assert torch.equal(only["categorical"], codes)


# -- adapting to the first batch ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "scale", "mean"), [
    (torch.rand(4, 3, 8, 8), Scale.UNIT, ()),
    (255 * torch.rand(4, 3, 8, 8), Scale.BYTE, ()),
    (torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8), Scale.BYTE, ()),
    (2 * torch.rand(4, 3, 8, 8) - 1, Scale.STANDARDISED, (0.5,)),
    ((torch.rand(4, 3, 8, 8) - 0.45) / 0.225, Scale.STANDARDISED, (0.485, 0.456, 0.406)),
])  # fmt: skip
def test_image_scales_are_recognised(x: Tensor, scale: Scale, mean: tuple[float, ...]) -> None:
    found = fitted(x, spec("image", (3, 8, 8)))
    assert (found.scale, found.mean) == (scale, mean)


def test_a_policys_own_normalisation_is_preferred() -> None:
    description = spec("image", (1, 8, 8), scale=Scale.STANDARDISED, mean=(0.286,), std=(0.353,))
    x = (torch.rand(4, 1, 8, 8) - 0.286) / 0.353
    assert fitted(x, description) == description


def test_series_and_tables_that_are_not_standardised(caplog: pytest.LogCaptureFixture) -> None:
    x = torch.randn(50, 2, 20) * torch.tensor([[100.0], [7.0]]) + 1000
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        found = fitted(x, spec("timeseries", (2, 20)))
    assert "not standardised" in caplog.text
    assert found.scale == Scale.UNIT
    assert found.std == pytest.approx((100.0, 7.0), rel=0.2)
    assert opened(x, found).std((0, 2)).tolist() == pytest.approx([1, 1], rel=0.01)
    # the search's own statistics fit the raw series
    searched = spec("timeseries", (2, 20), scale=Scale.STANDARDISED, mean=(1000.0, 1000.0), std=(110.0, 8.0))
    assert fitted(x, searched) == spec("timeseries", (2, 20), scale=Scale.UNIT, mean=searched.mean, std=searched.std)
    assert fitted(torch.randn(50, 2, 20), searched).scale == Scale.STANDARDISED
    table = torch.cat([torch.randn(50, 2) * 30 + 400, torch.eye(2).repeat(25, 1)], dim=1)
    found = fitted(table, spec("tabular", (4,), numeric=(0, 1), onehot=((2, 3),)))
    assert opened(table, found)[:, :2].std(0).tolist() == pytest.approx([1, 1], rel=0.05)
    assert torch.equal(opened(table, found)[:, 2:], table[:, 2:])


def test_other_columns_than_those_of_the_search_are_inferred() -> None:
    group = torch.eye(3).repeat(4, 1)
    x = torch.cat([torch.randn(12, 2), group, torch.randn(12, 1), group[:, :1]], dim=1)
    found = infer_columns(x, spec("tabular"))
    assert (found.layout, found.numeric, found.onehot) == ((7,), (0, 1, 5), ((2, 3, 4), (6,)))
    assert fitted(x, spec("tabular", (3,), numeric=(0, 1, 2))) == found


def test_loud_audio_is_scaled_by_its_peak() -> None:
    found = fitted(torch.tensor([[4.0, -2.0] * 50]), spec("audio"))
    assert (found.scale, found.std) == (Scale.STANDARDISED, (4.0,))


@pytest.mark.parametrize(("batch", "description", "rule"), [
    (torch.rand(2, 3), spec("tabular", (3,), numeric=(0, 7)), "describes column 7, but the first batch has 3 columns"),
    (torch.rand(2, 3, 4, 4) * 9, spec("image", (3, 4, 4)), "described as unit, values -0.01 to 1.01, but"),
])  # fmt: skip
def test_what_the_user_describes_must_be_true(batch: Tensor, description: InputSpec, rule: str) -> None:
    with pytest.raises(AttachError, match=rule):
        fitted(batch, description, explicit=True)


# -- pairs and made-up batches -----------------------------------------------------------------------------------


def test_what_changes_beside_the_main_tensor_when_rows_are_mixed() -> None:
    swap, weight = torch.tensor([1, 0, 2]), torch.tensor([0.6, 1.0, 0.5])
    mask = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    joined = batch_adapter("text").join({"input_ids": mask, "attention_mask": mask}, swap, weight)
    assert isinstance(joined, dict)
    assert joined["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    joined = batch_adapter("audio").join({"waveform": mask, "lengths": torch.tensor([3, 9, 5])}, swap, weight)
    assert isinstance(joined, dict)
    assert joined["lengths"].tolist() == [9, 9, 5]


@pytest.mark.parametrize("description", [
    spec("image", (3, 8, 8)), spec("timeseries", (2, 20), scale=Scale.STANDARDISED), spec("audio", (400,)),
    spec("text", (9,), pad_id=0, special_ids=(1, 2), vocabulary_size=30),
    spec("tabular", (5,), scale=Scale.STANDARDISED, numeric=(0, 1), onehot=((2, 3, 4),)),
], ids=lambda s: str(s.data_type))  # fmt: skip
def test_made_up_batches_fit_their_description(description: InputSpec) -> None:
    adapter = batch_adapter(description.data_type)
    made = [adapter.synthetic(description, 6, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert isinstance(made[0], Tensor)
    assert isinstance(made[1], Tensor)
    assert made[0].shape == (6, *description.layout)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])  # type: ignore[arg-type]
    adapter.check(made[0], description, explicit=True)


def test_specs_hash_alike_and_leave_the_hash_behind() -> None:
    spec = InputSpec(data_type=DataType.TABULAR, layout=(3,), numeric=(0, 1))
    assert hash(spec) == hash(InputSpec(data_type=DataType.TABULAR, layout=(3,), numeric=(0, 1)))
    assert hash(spec) != hash(InputSpec(data_type=DataType.TABULAR, layout=(3,), numeric=(0,)))
    # another process hashes strings differently
    assert "_hash" not in spec.__getstate__()
