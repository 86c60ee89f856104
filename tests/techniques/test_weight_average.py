from __future__ import annotations

import pytest

from autonoise.techniques.weight_average import WeightAverage


def averaged(technique: WeightAverage, values: list[float], updates: int) -> float:
    total = values[0]
    for n, value in enumerate(values[1:], 1):
        total += technique.share(averaged=n, updates=updates) * (value - total)
    return total


def test_uniform_is_the_plain_mean() -> None:
    assert averaged(WeightAverage(kind="uniform"), [1.0, 4.0, 10.0, 5.0], 1000) == pytest.approx(5.0)


def test_exponential_forgets_with_the_horizon() -> None:
    technique = WeightAverage(horizon=0.1)
    # 0.1 of 40 updates are four: a mean of the first four, and then a quarter of what is new
    assert averaged(technique, [1.0, 4.0, 10.0, 5.0], 40) == pytest.approx(5.0)
    assert averaged(technique, [1.0, 4.0, 10.0, 5.0, 9.0], 40) == pytest.approx(0.75 * 5 + 0.25 * 9)
    assert technique.share(averaged=7, updates=3) == 0.5
