"""Time series corruptions do what their amount says."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_samples import apply

from autonoise.corruptions import Corruption, Reference, corruptions_for, get_corruption
from autonoise.types import DataType

_RNG = np.random.default_rng(4)
# Two channels of standard deviations 2 and 20 around 5 and -100.
SERIES = (_RNG.standard_normal((200, 2, 100)) * [[[2.0], [20.0]]] + [[[5.0], [-100.0]]]).astype(np.float32)
STD = SERIES.std(axis=(0, 2))
RAMP = np.broadcast_to(np.arange(100, dtype=np.float32), (50, 2, 100)).copy()


def series(name: str, amount: float, rows: np.ndarray = SERIES, train: np.ndarray = SERIES) -> np.ndarray:
    return np.asarray(apply(get_corruption("timeseries", name), amount, rows, Reference(DataType.TIMESERIES, train)))


@pytest.mark.parametrize("c", corruptions_for("timeseries"), ids=lambda c: c.name)
@pytest.mark.parametrize("rows", [
    np.full((2, 2, 5), np.nan, np.float32), np.full((2, 1, 5), 3, np.float32), np.ones((1, 1, 1), np.float32),
    np.array([[[1, np.nan, 2, 3]], [[np.nan, np.nan, np.nan, 4]]], np.float32),
], ids=["missing", "constant", "one", "holes"])  # fmt: skip
def test_odd_series(c: Corruption, rows: np.ndarray) -> None:
    for amount in (c.mildest, *c.severities, c.harshest):
        out = apply(c, amount, rows, Reference(DataType.TIMESERIES, rows))
        assert np.array_equal(np.isnan(out), np.isnan(rows))


@pytest.mark.parametrize("name", ["jitter", "drift", "hum"])
@pytest.mark.parametrize("amount", [0.1, 1.0])
def test_additive_noise_is_in_training_standard_deviations(name: str, amount: float) -> None:
    noise = series(name, amount) - SERIES
    rms = np.sqrt((noise.astype(float) ** 2).mean(axis=(0, 2)))
    assert rms == pytest.approx(amount * STD, rel=0.03)
    steps = np.abs(np.diff(noise / STD[:, None], axis=2)).mean() / amount
    low, high = {"jitter": (1.1, 1.2), "drift": (0.005, 0.1), "hum": (0.3, 1.0)}[name]
    assert low < steps < high


def test_spikes_hit_their_fraction() -> None:
    noise = (series("spikes", 0.02) - SERIES) / STD[:, None]
    hit = np.abs(noise) > 0.01
    assert hit.mean() == pytest.approx(0.02, rel=0.1)
    assert 2.9 < np.abs(noise[hit]).min() < 3.3
    assert 9.5 < np.abs(noise[hit]).max() < 10.1
    assert np.mean(noise[hit] > 0) == pytest.approx(0.5, abs=0.07)


def test_point_dropout_repeats_the_value_before() -> None:
    out = series("point_dropout", 0.4, RAMP)
    same = out == RAMP
    assert 1 - same.mean() == pytest.approx(0.4, abs=0.03)
    assert np.array_equal(out[:, 0], out[:, 1])  # a time step is lost in all channels
    for row, kept in zip(out[:, 0], same[:, 0], strict=True):
        last = np.flatnonzero(kept)[0]
        for step in range(100):
            last = step if kept[step] else last
            assert row[step] == last


def test_gain_is_plus_or_minus_its_amount() -> None:
    factor = (series("gain", 0.3) / SERIES).reshape(200, 2, 100)
    assert np.abs(factor - 1) == pytest.approx(np.full(factor.shape, 0.3), abs=1e-4)
    assert np.ptp(factor, axis=2).max() < 1e-4
    assert 0.4 < (factor[:, :, 0] > 1).mean() < 0.6


def test_gap_is_one_stretch_of_the_mean() -> None:
    rows = SERIES.copy()
    rows[:100, :, 60:] = np.nan
    out = series("gap", 0.2, rows, SERIES)
    hidden = (out != rows) & ~np.isnan(rows)
    assert set(hidden[:100].sum(axis=2).ravel()) == {12}
    assert set(hidden[100:].sum(axis=2).ravel()) == {20}
    assert (np.diff(hidden.astype(int), axis=2) == 1).sum(axis=2).max() <= 1
    assert out[:, 1][hidden[:, 1]] == pytest.approx(np.full(hidden[:, 1].sum(), SERIES[:, 1].mean()), rel=1e-4)


def test_downsample_keeps_points_and_straight_lines() -> None:
    assert series("downsample", 0.2, RAMP) == pytest.approx(RAMP, abs=1e-4)
    zigzag = np.tile(np.array([0, 1], np.float32), 50)[None, None, :99]
    out = series("downsample", 50 / 99, zigzag, zigzag)[0, 0]
    assert out == pytest.approx(np.zeros(99), abs=1e-6)  # 50 of 99 points: every second one, all of them 0


def test_quantise_leaves_its_number_of_levels() -> None:
    out = series("quantise", 8)
    for channel in range(2):
        levels = np.unique(out[:, channel])
        low, high = SERIES[:, channel].min(), SERIES[:, channel].max()
        assert levels == pytest.approx(np.linspace(low, high, 8)[np.isin(np.arange(8), range(8))], abs=1e-3)
        assert np.abs(out[:, channel] - SERIES[:, channel]).max() <= (high - low) / 14 + 1e-3
    assert series("quantise", 2, SERIES + 1000) == pytest.approx(
        np.broadcast_to(SERIES.max(axis=(0, 2))[None, :, None], SERIES.shape), abs=1e-3
    )


@pytest.mark.parametrize("amount", [0.9, 0.6])
def test_saturation_clips_the_rest(amount: float) -> None:
    out = series("saturation", amount)
    assert np.mean(out != SERIES, axis=(0, 2)) == pytest.approx(np.full(2, 1 - amount), abs=0.005)
    assert out.max(axis=(0, 2)) - SERIES.mean(axis=(0, 2)) == pytest.approx(
        SERIES.mean(axis=(0, 2)) - out.min(axis=(0, 2)), rel=1e-3
    )


def test_time_warp_keeps_order_and_ends() -> None:
    rows = RAMP.copy()
    rows[:25, :, 70:] = np.nan
    out = series("time_warp", 0.5, rows, RAMP)
    assert np.array_equal(np.isnan(out), np.isnan(rows))
    assert np.array_equal(out[:, 0], out[:, 1], equal_nan=True)
    assert out[:, 0, 0] == pytest.approx(np.zeros(50))
    assert out[25:, 0, -1] == pytest.approx(np.full(25, 99.0))
    assert out[:25, 0, 69] == pytest.approx(np.full(25, 69.0))
    speed = np.log(np.diff(out[25:, 0]))
    assert speed.min(axis=1).max() < 0 < speed.max(axis=1).min()
    assert (speed - speed.mean(axis=1, keepdims=True)).std() == pytest.approx(0.5, rel=0.2)
