"""The statistics of benchmarks/policy_quality.py, against numbers worked out by hand."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "benchmarks"))
    return importlib.import_module("quality_table")


def test_gap_closed_is_a_ratio_of_means_with_a_paired_interval(quality: ModuleType) -> None:
    # gaps .2 .3 .4, won .15 .2 .25: 0.6 / 0.9; residuals 1/60, 0, -1/60 have deviation 1/60;
    # half width t(2) 4.30265 / 60 / sqrt(3) / .3 = .13801
    found = quality.gap_closed([0.9, 0.9, 0.9], [0.7, 0.6, 0.5], [0.85, 0.8, 0.75])
    assert found.mean == pytest.approx(2 / 3)
    assert found.low == pytest.approx(0.52866, abs=1e-4)
    assert found.high == pytest.approx(0.80467, abs=1e-4)
    # seeds that all win back half differ in nothing, however different their gaps
    exact = quality.gap_closed([0.9, 0.9, 0.9], [0.7, 0.6, 0.5], [0.8, 0.75, 0.7])
    assert (exact.low, exact.high) == (pytest.approx(0.5), pytest.approx(0.5))


def test_no_share_is_told_of_a_gap_that_is_not_there(quality: ModuleType) -> None:
    assert math.isnan(quality.gap_closed([0.9, 0.9], [0.899, 0.899], [0.95, 0.95]).mean)


def test_data_sets_are_joined_seed_by_seed(quality: ModuleType) -> None:
    # the second set undoes what the first one's seeds differ by: 0.3 in each seed
    joined = quality.together([quality.Estimate.of([0.1, 0.5]), quality.Estimate.of([0.5, 0.1])])
    assert (joined.mean, joined.low, joined.high) == (pytest.approx(0.3),) * 3
    assert joined.told(0, " %") == "30 % [30, 30]"


def test_each_family_of_noise_weighs_the_same(quality: ModuleType) -> None:
    families = {"held/a": "blur", "held/b": "blur", "held/c": "impulse", "third/d": "blur"}
    noisy = {"held/a": 0.5, "held/b": 0.7, "held/c": 0.2, "third/d": 0.9}
    assert quality.family_mean(noisy, families, "held") == pytest.approx((0.6 + 0.2) / 2)
    assert quality.family_mean(noisy, families, "held", lambda f: f == "blur") == pytest.approx(0.6)
    assert quality.family_mean(noisy, families, "third") == pytest.approx(0.9)
