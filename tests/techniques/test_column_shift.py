import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.column_shift import ColumnShift
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(5,), numeric=(0, 1, 2), codes=(3,), flags=((4, 0),))


def shifts(strength: torch.Tensor, seed: int = 0, **parameters: float) -> torch.Tensor:
    x = torch.zeros(len(strength), 5)
    technique = ColumnShift(**parameters)  # type: ignore[arg-type]
    return technique.perturb(x, strength=strength, rng=generator(seed), info=BatchInfo(SPEC))


def test_rows_of_a_group_move_together_and_columns_for_themselves() -> None:
    moved = shifts(torch.ones(800, 1), groups=4)
    assert not moved[:, 3:].any()
    found, count = moved[:, :3].unique(dim=0, return_counts=True)
    assert len(found) == 4 and count.min() > 150
    assert (found.diff(dim=1).abs() > 1e-3).all()


def test_size_and_strength() -> None:
    offsets = torch.cat([shifts(torch.ones(64, 1), seed, sigma=0.3, groups=1)[:1, :3] for seed in range(1500)])
    assert offsets.std().item() == pytest.approx(0.3, rel=0.05) and abs(offsets.mean().item()) < 0.02
    half = shifts(torch.tensor([[1.0], [0.5], [0.0]]), groups=1)
    assert torch.allclose(half[1], half[0] / 2) and not half[2].any()


def test_a_table_without_numbers_has_nothing_to_change() -> None:
    assert ColumnShift.idle(SPEC) == ""
    assert "no numeric" in ColumnShift.idle(InputSpec(data_type=DataType.TABULAR, layout=(2,), codes=(0, 1)))
