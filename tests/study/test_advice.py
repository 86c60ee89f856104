"""Advice without a training: who is advised, what is expected, and when the advice is no noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from autonoise.data import load, split
from autonoise.study.advice import HALF_WIDTH, LEVEL, advise
from autonoise.study.bank import features_of, training_rows
from autonoise.study.learned import Guide, Learned


def learned_of(noisy: float, sets: int = 8, **changes: Any) -> Learned:
    """Tables on which gaussian noise lifts the noisy accuracy from .7 to ``noisy``, and dropout does nothing."""
    return Learned.from_dict(
        {
            "format": "autonoise-gains/1",
            "data_type": "tabular",
            "sets": [
                {"name": f"s{i}", "fingerprint": f"f{i}", "source": f"s{i}", "meta": {"log_rows": 2.0 + 0.1 * i},
                 "clean": 0.9, "noisy": 0.7, "clean_error": 0.003, "noisy_error": 0.003, "seeds": 4}
                for i in range(sets)
            ],
            "policies": [
                {"name": "noise", "steps": [{"technique": "gaussian_noise", "std": 0.3}]},
                {"name": "drop", "steps": [{"technique": "dropout", "p": 0.3}]},
                {"name": "codes", "steps": [{"technique": "category_replacement"}]},
                {"name": "whole", "steps": [{"technique": "sam"}]},
            ],
            "runs": [r for i in range(sets) for r in ([i, 0, 0.9, noisy], [i, 1, 0.9, 0.7], [i, 2, 0.9, 0.89],
                                                      [i, 3, 0.9, 0.89])],
            "hyper": {"own": 0.05},
            "portfolio": [0],
            **changes,
        }
    )  # fmt: skip


def test_what_helped_everywhere_is_advised_with_its_interval() -> None:
    wine, known = load("wine"), learned_of(0.8)
    found = advise(wine, known)
    assert found is not None
    # category replacement cannot act on a table without categories, SAM needs more than three lines
    assert [s.name for s in found.policy.steps] == ["gaussian_noise"]
    guide = Guide(known, features_of(wine, training_rows(split(wine, seed=0))))
    mean, sd = guide.predict(known.policies[:1])
    assert found.expected == pytest.approx(float(mean[0])) and 0.3 < found.expected < 0.6
    assert (found.low, found.high) == pytest.approx((mean[0] - 0.6745 * sd[0], mean[0] + 0.6745 * sd[0]))
    assert found.low > 0
    assert norm.cdf(HALF_WIDTH) - norm.cdf(-HALF_WIDTH) == pytest.approx(LEVEL, abs=1e-4)
    assert found.numbers()["level"] == 0.5
    assert (found.sets, found.trainings, found.policy.name) == (8, 32, "recommended-wine")


def test_no_noise_where_the_lower_end_is_not_above_zero() -> None:
    found = advise(load("wine"), learned_of(0.69))
    assert found is not None and found.low <= 0
    assert found.policy.steps == () and found.policy.name == "no-noise"
    assert len(found.likeliest.steps) == 1


def test_what_was_measured_on_the_data_themselves_does_not_count() -> None:
    wine = load("wine")
    alone = learned_of(0.8, sets=1)
    own = Learned.from_dict(
        {
            "format": "autonoise-gains/1", "data_type": "tabular", "hyper": {}, "portfolio": [],
            "sets": [{"name": "wine", "fingerprint": wine.fingerprint, "source": "wine", "meta": {},
                      "clean": 0.9, "noisy": 0.7, "clean_error": 0.003, "noisy_error": 0.003, "seeds": 4}],
            "policies": [{"name": "noise", "steps": [{"technique": "gaussian_noise"}]}], "runs": [[0, 0, 0.9, 0.8]],
        }
    )  # fmt: skip
    assert advise(wine, own) is None
    assert advise(wine, alone) is not None and np.isfinite(advise(wine, alone).expected)  # type: ignore[union-attr]
    assert advise(wine, Learned.nothing(wine.data_type)) is None
