from __future__ import annotations

import math

import pytest
import torch

from autonoise.ops.random import FEW, TABLE, _normal_table, beta, generator, randn, randn_like

SIZES = {"fresh": FEW - 1, "table": 200_000, "too many for the table": TABLE // 4 + 1}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_normal_numbers_are_normal_wherever_they_come_from(size: int) -> None:
    x = randn_like(torch.empty(size), generator(1)).double()
    limit = 5 / math.sqrt(size)
    assert abs(x.mean()) < limit
    assert abs(x.std() - 1) < limit
    assert abs((x**4).mean() - 3) < 10 * limit
    assert abs((x.abs() < 1).double().mean() - 0.6827) < limit
    for lag in (1, 7):
        assert abs((x[lag:] * x[:-lag]).mean()) < limit


def test_draws_of_a_generator_and_of_seeds_are_unrelated() -> None:
    like, rng = torch.empty(50_000), generator(1)
    draws = [randn_like(like, rng), randn_like(like, rng), randn_like(like, generator(2))]
    correlations = torch.corrcoef(torch.stack(draws)) - torch.eye(3)
    assert float(correlations.abs().max()) < 0.025
    assert torch.equal(draws[0], randn_like(like, generator(1)))


def test_normal_numbers_have_the_shape_and_dtype_asked_for() -> None:
    assert randn((100, 200), generator(0), torch.empty(1, dtype=torch.float16)).dtype == torch.float16
    assert randn((100, 200), generator(0), torch.empty(1, dtype=torch.float64)).dtype == torch.float64
    assert randn((100, 200), generator(0), torch.empty(1, dtype=torch.uint8)).dtype == torch.float32
    assert randn((3, 100, 50), generator(0), torch.empty(1)).shape == (3, 100, 50)
    assert randn((0, 4), generator(0), torch.empty(1)).shape == (0, 4)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.5, 1.0, 4.0, 100.0])
def test_beta_has_its_moments_also_where_gamma_numbers_underflow(alpha: float) -> None:
    x = beta(alpha, 40_000, generator(3), torch.empty(1)).double()
    assert bool(torch.isfinite(x).all())
    assert 0 <= float(x.min()) <= float(x.max()) <= 1
    assert float(x.mean()) == pytest.approx(0.5, abs=0.01)
    # the variance of Beta(a, a) is 1 / (4 (2 a + 1)); E|x - 1/2|^4 tells its shape from others of this variance
    assert float(x.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    assert float(((x - 0.5) ** 4).mean()) == pytest.approx(fourth, rel=0.06)


def test_the_table_does_not_depend_on_where_it_is_first_asked_for() -> None:
    usual = _normal_table()
    _normal_table.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            table = _normal_table()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(table, usual)
    assert not table.is_inference()
