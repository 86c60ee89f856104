from __future__ import annotations

import numpy as np
import pytest
import torch

from autonoise.ops.patterns import STEPS, clouds, gratings, julia_sets, patterns, power_law_field, waves
from autonoise.ops.random import generator

LIKE = torch.zeros(1, 3, 32, 32)


def test_power_falls_with_frequency_as_asked() -> None:
    field = power_law_field((300, 2, 64, 64), torch.tensor(2.0), generator(0), LIKE)
    assert torch.allclose(field.square().mean((2, 3)), torch.ones(300, 2), atol=1e-4)
    assert field.mean((2, 3)).abs().max() < 1e-5
    power = torch.fft.rfft2(field).abs().square().mean((0, 1))
    # 1 / f^2: a fourfold frequency has a sixteenth of the power, along rows, columns and diagonals alike
    for near, far in (((0, 3), (0, 12)), ((3, 0), (12, 0)), ((3, 3), (12, 12))):
        assert (power[near] / power[far]).item() == pytest.approx(16, rel=0.25)
    for one, other in (((0, 6), (6, 0)), ((0, 32), (32, 0)), ((9, 32), (32, 9))):
        assert (power[one] / power[other]).item() == pytest.approx(1, rel=0.25)


def test_waves_by_hand() -> None:
    wave = waves(torch.tensor([[2.0]]), torch.tensor([[0.3]]), torch.tensor([[0.7]]), torch.zeros(1, 1, 16, 20))
    y, x = np.mgrid[:16, :20]
    # two periods along the shorter side of 16
    expected = np.sin(2 * np.pi * 2 / 16 * (np.sin(0.3) * y + np.cos(0.3) * x) + 0.7)
    assert wave[0, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_gratings_hold_no_more_periods_than_a_third_of_the_side() -> None:
    spectrum = torch.fft.rfft2(gratings(200, generator(0), LIKE) - 0.5).abs().square().sum((0, 1))
    rows = torch.fft.fftfreq(32, 1 / 32)[:, None]
    fast = (rows.square() + torch.arange(17.0).square()).sqrt() > 13
    assert spectrum[fast].sum() < 0.05 * spectrum.sum()
    assert (spectrum[:, :9][rows[:, 0].abs() < 9].sum() / spectrum.sum()).item() > 0.6


def test_a_julia_set_by_complex_numbers() -> None:
    found = julia_sets(1, generator(5), LIKE)[0].numpy()
    rng = generator(5)
    u, colour = torch.rand(4, generator=rng).tolist(), torch.rand(2, 3, generator=rng).numpy()
    c = 0.7885 * np.exp(2j * np.pi * u[1])
    axis = np.linspace(-1, 1, 32) * (0.6 + 0.9 * u[0])
    z = (axis[None] + u[3] - 0.5) + 1j * (axis[:, None] + u[2] - 0.5)
    speed = np.zeros((32, 32))
    for _ in range(STEPS):
        z = z * z + c
        size = np.abs(z)
        z = np.where(size > 4, 4 * z / np.maximum(size, 1e-9), z)
        speed += np.minimum(size**2, 16) / (16 * STEPS)
    expected = 0.5 + 0.5 * np.cos(2 * np.pi * ((1 + 2 * colour[0])[:, None, None] * speed + colour[1][:, None, None]))
    # the iteration is chaotic, so that a few points part from each other by rounding
    assert np.median(np.abs(found - expected)) < 1e-4 and (np.abs(found - expected) > 0.01).mean() < 0.05


def test_patterns_are_of_three_kinds_full_of_contrast_and_all_different() -> None:
    made = patterns(90, generator(1), LIKE)
    assert made.shape == (90, 3, 32, 32) and made.min() >= 0 and made.max() <= 1
    assert made.std((2, 3)).mean() > 0.15
    assert torch.pdist(made.flatten(1)).min() > 1
    for make in (clouds, gratings, julia_sets):
        grey = make(5, generator(2), torch.zeros(1, 1, 17, 24))
        assert grey.shape == (5, 1, 17, 24) and torch.isfinite(grey).all() and grey.min() >= 0 and grey.max() <= 1
