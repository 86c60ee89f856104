"""Powers and logarithms in place, against Python's own."""

from __future__ import annotations

import math

import pytest
import torch

from autonoise.ops.powers import expm1_, log1p_, power_

VALUES = [0.0, 1e-6, 0.04, 0.25, 0.5, 0.81, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_row_has_its_own_exponent(dtype: torch.dtype) -> None:
    exponents = [0.5, 1.0, 2.0, 3.7]
    x = torch.tensor([VALUES] * 4, dtype=dtype)
    out = power_(x, torch.tensor(exponents, dtype=dtype)[:, None])
    assert out is x
    for row, exponent in zip(out.tolist(), exponents, strict=True):
        assert row == pytest.approx([v**exponent for v in VALUES], rel=1e-5, abs=1e-12)
    assert torch.equal(out[1], torch.tensor(VALUES, dtype=dtype)), "a power of 1 keeps every bit"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logarithm_and_its_inverse(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, 1e-7, 0.5, 1.0, 255.0], dtype=dtype)
    wanted = [math.log1p(float(v)) for v in x]
    assert log1p_(x) is x
    assert x.tolist() == pytest.approx(wanted, rel=1e-6)
    assert expm1_(x) is x
    assert x.tolist() == pytest.approx([0.0, 1e-7, 0.5, 1.0, 255.0], rel=1e-5)
