from __future__ import annotations

import numpy as np
import pytest
import torch

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
