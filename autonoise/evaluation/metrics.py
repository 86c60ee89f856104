"""Metrics of probabilities (N, C) against labels (N,): accuracy, proper scores, calibration, error detection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import recall_score, roc_auc_score

from autonoise.errors import DataError

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

_SMALLEST = 1e-12
"""Probabilities below count as this in logarithms, so that one wrong certainty costs 27.6 nats, not infinity."""


def accuracy(probabilities: Floats, labels: Labels) -> float:
    """Share of rows whose most probable class is the label."""
    p, y = _checked(probabilities, labels)
    return float((p.argmax(1) == y).mean())


def balanced_accuracy(probabilities: Floats, labels: Labels) -> float:
    """Mean over the classes that occur of the share of their rows that are right."""
    p, y = _checked(probabilities, labels)
    return float(recall_score(y, p.argmax(1), labels=np.unique(y), average="macro"))


def nll(probabilities: Floats, labels: Labels) -> float:
    """Mean of -log p_y, in nats."""
    p, y = _checked(probabilities, labels)
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], _SMALLEST)).mean())


def brier(probabilities: Floats, labels: Labels) -> float:
    """Mean of sum_k (p_k - [k = y])^2, in [0, 2] (Brier 1950)."""
    p, y = _checked(probabilities, labels)
    hot = np.zeros_like(p)
    hot[np.arange(len(y)), y] = 1
    return float(((p - hot) ** 2).sum(1).mean())


def ece(probabilities: Floats, labels: Labels, *, bins: int = 15) -> float:
    """Expected calibration error: sum over bins of share * |accuracy - confidence| (Guo et al. 2017).

    Top label, ``bins`` equal bins (low, high] of the confidence. Biased upwards below about 1,000 rows.
    """
    p, y = _checked(probabilities, labels)
    confidence = p.max(1)
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    excess = np.bincount(bin_of, weights=(p.argmax(1) == y) - confidence, minlength=bins)
    return float(np.abs(excess).sum() / len(y))


def error_auroc(probabilities: Floats, labels: Labels) -> float:
    """AUROC of telling errors from hits by the maximum probability; nan where all rows are hits, or all errors."""
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
