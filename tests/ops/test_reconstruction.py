from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.ops.reconstruction import target_of
from autonoise.types import BatchInfo, DataType, InputSpec


@pytest.mark.parametrize(
    ("kind", "layout", "size"),
    [
        ("image", (3, 32, 32), 3 * 18 * 18),
        ("image", (1, 28, 28), 784),
        ("timeseries", (3, 500), 3 * 341),
        ("timeseries", (1, 128), 128),
        ("audio", (8000,), 125),
        ("tabular", (2000,), 1024),
        ("tabular", (7,), 7),
    ],
)
def test_sizes_are_bounded_and_do_not_depend_on_the_batch(kind: str, layout: tuple[int, ...], size: int) -> None:
    info = BatchInfo(InputSpec(data_type=DataType(kind), layout=layout))
    x = torch.randn(4, *layout, generator=generator(0))
    assert target_of(x, info).shape == (4, size)
    if kind != "tabular":
        assert target_of(x[..., : layout[-1] // 2], info).shape == (4, size)


def test_images_are_standardised_per_channel() -> None:
    x = torch.rand(50, 2, 6, 6, generator=generator(0)) * torch.tensor([1.0, 0.1])[:, None, None]
    target = target_of(x, BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(2, 6, 6)))).reshape(50, 2, -1)
    assert target.mean((0, 2)).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert target.std((0, 2)).tolist() == pytest.approx([1, 1], abs=1e-2)


def test_audio_is_told_by_its_envelope_and_not_its_level() -> None:
    x = torch.zeros(1, 128)
    x[0, 64:] = torch.tensor([0.5, -0.5]).repeat(32)
    info = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(128,)))
    assert target_of(x, info).tolist() == [pytest.approx([-1, 1], abs=1e-4)]
    assert target_of(-x, info).tolist() == [pytest.approx([-1, 1], abs=1e-4)]


def test_tables_keep_their_columns_codes_are_standardised_and_missing_values_are_finite() -> None:
    spec = InputSpec(data_type=DataType.TABULAR, layout=(2,), numeric=(0,), codes=(1,))
    x = torch.tensor([[0.5, 10.0], [float("nan"), 20.0]])
    assert target_of(x, BatchInfo(spec)).flatten().tolist() == pytest.approx([0.5, -1, 0, 1], abs=1e-4)


def test_texts_are_bags_of_their_real_tokens() -> None:
    spec = InputSpec(data_type=DataType.TEXT, layout=(4,), vocabulary_size=5)
    ids = torch.tensor([[3, 3, 4, 0], [0, 0, 0, 0]])
    got = target_of(ids, BatchInfo(spec, valid=ids != 0))
    assert got[0].tolist() == pytest.approx([0, 0, 0, 2 / 3, 1 / 3])
    assert not got[1].any()
    large = InputSpec(data_type=DataType.TEXT, layout=(1,), vocabulary_size=30_000)
    bag = target_of(torch.tensor([[1024 + 7]]), BatchInfo(large))
    assert (bag.shape, bag[0, 7].item()) == ((1, 1024), 1.0)
