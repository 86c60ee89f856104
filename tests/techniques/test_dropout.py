from __future__ import annotations

import pytest
import torch

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
    ("own", "strength", "rate"), [(0.1, 0.0, 0.1), (0.1, 0.5, 0.3), (0.1, 1.0, 0.5), (0.1, 3.0, 0.95), (0.9, 5.0, 0.0)]
)
def test_a_dropout_that_is_taken_over_goes_from_its_own_rate_to_p(own: float, strength: float, rate: float) -> None:
    h = torch.ones(1, 20_000)
    out = Dropout(p=0.5).taken_over(h, own=own, strength=torch.tensor([[strength]]), rng=generator(0))
    assert float((out == 0).float().mean()) == pytest.approx(rate, abs=0.012)
    assert float(out.max()) == pytest.approx(1 / (1 - rate))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    h = torch.ones(2, 3001, dtype=dtype)
    out = Dropout(p=0.5).perturb(h, strength=torch.ones(2, 1, dtype=dtype), rng=generator(0), info=INFO)
    assert out.dtype == dtype
    assert set(out.unique().tolist()) == {0.0, 2.0}
