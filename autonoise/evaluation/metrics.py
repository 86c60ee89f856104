"""Metrics of probabilities (N, C) against labels (N,): accuracy, proper scores, calibration, error detection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autonoise.errors import DataError, search_extra

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

BINS = 15
"""Equal ranges of the confidence over which the calibration error is summed; 15 is usual (Guo et al. 2017)."""
_SMALLEST = 1e-12
"""A smaller probability counts as this in logarithms, so that a wrong certainty costs 27.6 nats, not infinity."""


def accuracy(probabilities: Floats, labels: Labels) -> float:
    """Share of rows whose most probable class is the label."""
    p, y = _checked(probabilities, labels)
    return float((p.argmax(1) == y).mean())


def balanced_accuracy(probabilities: Floats, labels: Labels) -> float:
    """Mean over the classes that occur of the share of their rows that are right: small classes count as much."""
    with search_extra("balanced accuracy"):
        from sklearn.metrics import recall_score

    p, y = _checked(probabilities, labels)
    return float(recall_score(y, p.argmax(1), labels=np.unique(y), average="macro"))


def nll(probabilities: Floats, labels: Labels) -> float:
    """Mean over rows of -log p_y, in nats: the cross entropy."""
    return float(nll_terms(probabilities, labels).mean())


def nll_terms(probabilities: Floats, labels: Labels) -> Floats:
    """-log p_y of each row (N,), in nats."""
    p, y = _checked(probabilities, labels)
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], _SMALLEST)))


def brier(probabilities: Floats, labels: Labels) -> float:
    """Mean of sum_k (p_k - [k = y])^2, in [0, 2] (Brier 1950)."""
    p, y = _checked(probabilities, labels)
    hot = np.zeros_like(p)
    hot[np.arange(len(y)), y] = 1
    return float(((p - hot) ** 2).sum(1).mean())


def ece(probabilities: Floats, labels: Labels, *, bins: int = BINS) -> float:
    """Expected calibration error: the mean gap between accuracy and confidence (Guo et al. 2017).

    Rows are put into ``bins`` equal ranges (low, high] of the probability of their most probable class; the sum over
    the ranges of share of rows * |accuracy - mean confidence|. Below about 1,000 rows it is biased upwards.
    """
    _, _, excess = _calibration(probabilities, labels, bins)
    return float(np.abs(excess).sum() / len(labels))


def ece_terms(probabilities: Floats, labels: Labels, *, bins: int = BINS) -> Floats:
    """What each row (N,) adds to the calibration error: the mean of these is :func:`ece`.

    N * ECE = sum_b |sum_{i in b} (hit_i - confidence_i)|, so row i adds sign_b * (hit_i - confidence_i).
    """
    bin_of, gap, excess = _calibration(probabilities, labels, bins)
    return np.asarray(np.sign(excess)[bin_of] * gap)


def reliability(probabilities: Floats, labels: Labels, *, bins: int = BINS) -> Floats:
    """The reliability diagram in numbers (bins, 3): of each range of the confidence, lowest first, what it adds.

    The columns are the share of all rows that fall into the range (low, high], the sum of their confidence and the sum
    of their hits, both divided by the number of all rows. So hits / share is the accuracy in the range, confidence /
    share its mean confidence, and the sum of |hits - confidence| is :func:`ece`.
    """
    p, y = _checked(probabilities, labels)
    bin_of, gap, _ = _calibration(p, y, bins)
    confidence = p.max(1)
    columns = (np.ones(len(y)), confidence, gap + confidence)
    return np.stack([np.bincount(bin_of, weights=c, minlength=bins) for c in columns], axis=1) / len(y)


def _calibration(probabilities: Floats, labels: Labels, bins: int) -> tuple[Labels, Floats, Floats]:
    """Of each row the range it falls into and its hit - confidence, both (N,); and the sum of these in each range."""
    p, y = _checked(probabilities, labels)
    confidence = p.max(1)
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = (p.argmax(1) == y) - confidence
    excess = np.bincount(bin_of, weights=gap, minlength=bins).astype(np.float64)
    return bin_of, np.asarray(gap), excess


def error_auroc(probabilities: Floats, labels: Labels) -> float:
    """How well the confidence tells errors: the chance that a wrong row is less confident than a right one.

    It is the area under the ROC curve of the largest probability; 0.5 is no better than chance, nan where all rows
    are right or all are wrong.
    """
    with search_extra("the area under the ROC curve"):
        from sklearn.metrics import roc_auc_score

    p, y = _checked(probabilities, labels)
    wrong = p.argmax(1) != y
    if wrong.all() or not wrong.any():
        return float("nan")
    return float(roc_auc_score(wrong, -p.max(1)))


def _checked(probabilities: Any, labels: Any) -> tuple[Floats, Labels]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if p.ndim != 2 or y.shape != p.shape[:1] or not len(y):
        raise DataError(f"probabilities (N, C) and labels (N,) with N > 0 must match, but got {p.shape} and {y.shape}")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= p.shape[1]:
        raise DataError(f"labels must be integers in 0..{p.shape[1] - 1}, but got {y.dtype} {y.min()}..{y.max()}")
    if not np.isfinite(p).all():
        raise DataError("probabilities must be finite, but some are not: did the training diverge?")
    return p, y.astype(np.int64)
