from __future__ import annotations

import math

import numpy as np
import pytest

from autonoise.errors import DataError
from autonoise.evaluation import metrics
from autonoise.evaluation.metrics import accuracy, balanced_accuracy, brier, ece, ece_terms, error_auroc, nll, nll_terms

P = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.3, 0.6], [0.2, 0.7, 0.1]])
Y = np.array([0, 0, 2, 1])


def random_case(n: int = 400, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(classes) * 0.5, n), rng.integers(0, classes, n)


def test_by_hand() -> None:
    assert accuracy(P, Y) == 0.75
    assert balanced_accuracy(P, Y) == pytest.approx((0.5 + 1 + 1) / 3)
    assert nll(P, Y) == pytest.approx(-(math.log(0.7) + math.log(0.4) + math.log(0.6) + math.log(0.7)) / 4)
    assert brier(P, Y) == pytest.approx(
        ((0.09 + 0.04 + 0.01) + (0.36 + 0.25 + 0.01) + (0.01 + 0.09 + 0.16) + (0.04 + 0.09 + 0.01)) / 4
    )
    # bins of 1/15: .7 twice (two hits), .5 (a miss), .6 (a hit; (.5333, .6])
    assert ece(P, Y) == pytest.approx((2 * 0.3 + 0.5 + 0.4) / 4)
    assert error_auroc(P, Y) == 1.0  # the one error is the least certain


def test_ece_counts_bins_as_the_definition_says() -> None:
    p, y = random_case()
    confidence, hit = p.max(1), p.argmax(1) == y
    total = 0.0
    for k in range(15):
        inside = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    assert ece(p, y) == pytest.approx(total)


def test_what_each_row_adds() -> None:
    """Two rows in one range of confidence, hit - confidence 0.3 and -0.7, sum below 0; one alone, 0.1 above."""
    p, y = np.array([[0.7, 0.3], [0.3, 0.7], [0.9, 0.1]]), np.array([0, 0, 0])
    np.testing.assert_allclose(ece_terms(p, y), [-0.3, 0.7, 0.1])
    np.testing.assert_allclose(nll_terms(p, y), [0.356675, 1.203973, 0.105361], atol=1e-6)


def test_error_auroc_is_the_share_of_pairs_in_order() -> None:
    p, y = random_case(120)
    confidence, hit = p.max(1), p.argmax(1) == y
    pairs = [(a < b) + 0.5 * (a == b) for a in confidence[~hit] for b in confidence[hit]]
    assert error_auroc(p, y) == pytest.approx(np.mean(pairs))
    assert math.isnan(error_auroc(P[[0, 2]], Y[[0, 2]]))
    assert math.isnan(error_auroc(P[[1]], Y[[1]]))


def test_balanced_accuracy_leaves_out_classes_that_do_not_occur() -> None:
    p = np.eye(3)[[0, 2, 1, 1]]
    assert balanced_accuracy(p, np.array([0, 0, 1, 1])) == pytest.approx(0.75)


def test_extremes() -> None:
    sure = np.eye(2)[[0, 1]]
    right, wrong = np.array([0, 1]), np.array([1, 0])
    assert (accuracy(sure, right), nll(sure, right), brier(sure, right), ece(sure, right)) == (1, 0, 0, 0)
    assert nll(sure, wrong) == pytest.approx(-math.log(1e-12))
    assert (brier(sure, wrong), ece(sure, wrong)) == (2, 1)


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        (P, Y[:2], "must match"),
        (P[0], Y, "must match"),
        (P[:0], Y[:0], "must match"),
        (P, np.array([0, 1, 2, 3]), r"in 0\.\.2"),
        (P, Y.astype(float), "must be integers"),
        (P * np.nan, Y, "must be finite"),
    ],
)
def test_bad_input_is_refused_in_one_line(p: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        nll(p, y)
    assert "\n" not in str(caught.value)


def test_reliability_by_hand() -> None:
    """Five ranges of 0.2: 0.55 and 0.6 fall into (0.4, 0.6], 0.7 into (0.6, 0.8], 1.0 into (0.8, 1]."""
    p = np.array([[0.55, 0.45], [0.4, 0.6], [0.7, 0.3], [0.0, 1.0]])
    y = np.array([0, 0, 0, 1])
    table = metrics.reliability(p, y, bins=5)
    expected = [[0, 0, 0], [0, 0, 0], [0.5, 1.15 / 4, 0.25], [0.25, 0.175, 0.25], [0.25, 0.25, 0.25]]
    assert np.allclose(table, expected)
    assert np.abs(table[:, 2] - table[:, 1]).sum() == pytest.approx(metrics.ece(p, y, bins=5))
