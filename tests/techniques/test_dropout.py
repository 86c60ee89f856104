from __future__ import annotations

import pytest
import torch
from torch import nn

from autonoise.ops.random import generator
from autonoise.techniques.dropout import Dropout
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.TABULAR, layout=(4,)))


def test_the_realised_rate_is_strength_times_p_and_the_rest_is_scaled_up() -> None:
    h = torch.ones(4, 20_000)
    strength = torch.tensor([[0.0], [0.5], [1.0], [9.0]])
    out = Dropout(p=0.4).perturb(h, strength=strength, rng=generator(0), info=INFO)
    assert torch.equal(out[0], h[0])
    assert (out == 0).float().mean(1).tolist() == pytest.approx([0, 0.2, 0.4, 0.95], abs=0.012)
    assert out.amax(1).tolist() == pytest.approx([1, 1 / 0.8, 1 / 0.6, 20])


@pytest.mark.parametrize(
    ("strength", "rate"), [(0.0, 0.1), (0.5, 0.3), (1.0, 0.5), (2.0, 0.9), (3.0, 0.95)]
)
def test_an_adopted_module_goes_from_its_own_rate_to_p(strength: float, rate: float) -> None:
    assert Dropout(p=0.5).setting(nn.Dropout(0.1), 0.1, strength) == pytest.approx(rate)


def test_no_rate_leaves_the_range_and_strength_zero_returns_the_original_exactly() -> None:
    assert Dropout(p=0.1).setting(nn.Dropout(0.9), 0.9, 5.0) == 0.0
    assert Dropout(p=0.3).setting(nn.Dropout(0.97), 0.97, 0.0) == 0.97
    assert Dropout.adopts == (nn.Dropout,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    h = torch.ones(2, 3001, dtype=dtype)
    out = Dropout(p=0.5).perturb(h, strength=torch.ones(2, 1, dtype=dtype), rng=generator(0), info=INFO)
    assert out.dtype == dtype
    assert set(out.unique().tolist()) == {0.0, 2.0}
