from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from autonoise.ops.random import generator
from autonoise.ops.series import read_at, row_lengths, smooth_curve


def test_reading_is_linear_interpolation_with_held_ends() -> None:
    x = torch.rand(2, 3, 9, generator=generator(0), dtype=torch.float64)
    times = torch.rand(2, 9, generator=generator(1), dtype=torch.float64) * 12 - 2
    expected = [[np.interp(times[b], np.arange(9), x[b, c]) for c in range(3)] for b in range(2)]
    assert np.allclose(read_at(x, times).numpy(), np.array(expected))
    assert np.allclose(read_at(x[:, 1], times).numpy(), np.array(expected)[:, 1])


def test_curves_pass_through_their_knots_and_reproduce_cubics() -> None:
    at = torch.linspace(0, 20, 5, dtype=torch.float64)
    t = torch.arange(21, dtype=torch.float64)
    curve = smooth_curve(at**3 - 4 * at, 21)
    assert torch.allclose(curve, t**3 - 4 * t, rtol=1e-4, atol=1e-2)
    assert smooth_curve(torch.ones(2, 3, 2), 1).flatten().tolist() == pytest.approx([1.0] * 6)


def test_lengths() -> None:
    x = torch.zeros(2, 1, 7)
    assert row_lengths(x, None).tolist() == [[7.0], [7.0]]
    assert row_lengths(x, torch.tensor([3, 0])).tolist() == [[3.0], [1.0]]


@pytest.mark.parametrize("knots", [2, 3, 4, 5, 6, 10])
def test_curves_are_those_of_scipy(knots: int) -> None:
    values = torch.randn(3, knots, generator=generator(knots), dtype=torch.float64)
    for length in (1, 2, 3, 7, 48, 301):
        at = np.linspace(0, max(length - 1, 1), knots)
        expected = CubicSpline(at, values.numpy(), axis=1)(np.arange(length))
        # the basis is kept as float32
        assert np.allclose(smooth_curve(values, length).numpy(), expected, rtol=0, atol=2e-6), (knots, length)


def test_curves_through_few_knots_by_hand() -> None:
    # two knots: a line from 1 to 4; three knots 0, 4, 0 at 0, 2, 4: the parabola 4 - (t - 2)^2
    assert smooth_curve(torch.tensor([1.0, 4.0]), 4).tolist() == pytest.approx([1, 2, 3, 4], abs=1e-6)
    assert smooth_curve(torch.tensor([0.0, 4.0, 0.0]), 5).tolist() == pytest.approx([0, 3, 4, 3, 0], abs=1e-6)
    # t^3 at 0, 1, 2, 3, a cubic, comes back in between: 3.375 at 1.5
    curve = smooth_curve(torch.tensor([0.0, 1.0, 8.0, 27.0]), 7)
    assert curve.tolist() == pytest.approx([0, 0.125, 1, 3.375, 8, 15.625, 27], abs=1e-4)
