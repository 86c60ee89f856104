import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.outlier_noise import OutlierNoise
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(4,), numeric=(0, 1), onehot=((2, 3),))


def test_share_and_tails() -> None:
    x = torch.zeros(200_000, 4)
    strength = torch.full((200_000, 1), 0.5)
    out = OutlierNoise(fraction=0.4, size=3.0).perturb(x, strength=strength, rng=generator(0), info=BatchInfo(SPEC))
    assert not out[:, 2:].any()
    hit = out[:, :2][out[:, :2] != 0] / 3
    assert len(hit) / 400_000 == pytest.approx(0.2, rel=0.02)
    # from a table of Student's t with two degrees of freedom: two-sided 50 %, 10 % and 1 %
    for limit, share in ((0.8165, 0.5), (2.920, 0.1), (9.925, 0.01)):
        assert (hit.abs() > limit).float().mean().item() == pytest.approx(share, rel=0.08)
    assert (hit > 0).float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert hit.abs().max() == 50


def test_a_table_without_numbers_has_nothing_to_change() -> None:
    assert OutlierNoise.idle(SPEC) == ""
    assert "no numeric" in OutlierNoise.idle(InputSpec(data_type=DataType.TABULAR, layout=(2,), codes=(0, 1)))
