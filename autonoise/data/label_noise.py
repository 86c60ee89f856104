"""Labels made wrong on purpose, to test how well a policy copes with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from autonoise.array_files import BROKEN_FILE, load_npy
from autonoise.data.checks import check_size
from autonoise.data.text_files import encoding_of
from autonoise.errors import DataError, one_line
from autonoise.types import Array

MAX_MATRIX = 64 * 2**20
"""Bytes of a file with a transition matrix (64 MiB): enough for 1,500 classes in any form."""


def corrupt_labels(
    y: Array,
    *,
    classes: int,
    rng: np.random.Generator,
    rate: float | None = None,
    matrix: Array | None = None,
) -> Array:
    """Labels with noise; exactly one of ``rate`` and ``matrix`` must be given.

    ``rate``: round(rate * N) rows, chosen at random, get a different class, uniformly (symmetric noise).
    ``matrix``: (k, k), entry [a, b] = P(y' = b | y = a).
    Returns a new int64 array (N,). Raises DataError (Natarajan et al. 2013; Patrini et al. 2017).
    """
    y = np.asarray(y)
    if (rate is None) == (matrix is None):
        raise DataError("label noise: give either a rate or a transition matrix")
    if classes < 2 or y.dtype.kind not in "iu" or (len(y) and not (y.min() >= 0 and y.max() < classes)):
        raise DataError(f"label noise: labels must be whole numbers in 0..{classes - 1}, of at least two classes")
    noisy = y.astype(np.int64)
    if rate is not None:
        if not 0 <= rate <= 1:
            raise DataError(f"label noise: 0 <= rate <= 1 must hold, but got {rate!r}")
        hit = rng.permutation(len(y))[: round(rate * len(y))]
        noisy[hit] = (noisy[hit] + rng.integers(1, classes, size=len(hit))) % classes
        return noisy
    assert matrix is not None
    cumulative = check_matrix(matrix, classes, "label noise").cumsum(axis=1)
    cumulative[:, -1] = 1.0
    drawn: Array = (rng.random(len(y))[:, None] >= cumulative[noisy]).sum(axis=1)
    return drawn.astype(np.int64)


def check_matrix(matrix: Array, classes: int, where: str) -> Array:
    """The matrix as float64 with rows that sum to 1 exactly, or DataError."""
    m = np.asarray(matrix, dtype=np.float64)
    if m.shape != (classes, classes):
        raise DataError(f"{where}: the transition matrix must be {classes} x {classes}, but got shape {m.shape}")
    if not np.isfinite(m).all() or (m < 0).any():
        raise DataError(
            f"{where}: the transition matrix must hold probabilities, but an entry is negative or not finite"
        )
    sums = m.sum(axis=1)
    off = np.abs(sums - 1) > 1e-4
    if off.any():
        raise DataError(f"{where}: each row must sum to 1, but row {int(off.argmax())} sums to {sums[off.argmax()]:g}")
    scaled: Array = m / sums[:, None]
    return scaled


def read_matrix(path: str | Path, classes: int) -> Array:
    """A (classes, classes) transition matrix from .csv (no header), .npy or .json (rows), or DataError."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file: give a .csv, .npy or .json with a {classes} x {classes} matrix")
    check_size(path.stat().st_size, MAX_MATRIX, path, remedy=f"it must hold {classes} x {classes} numbers")
    try:
        if path.suffix == ".csv":
            found: Array = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64, encoding=encoding_of(path))
        elif path.suffix == ".npy":
            found = np.asarray(load_npy(path, DataError), dtype=np.float64)
        elif path.suffix == ".json":
            found = np.array(json.loads(path.read_text(encoding=encoding_of(path))), dtype=np.float64)
        else:
            raise DataError(f"{path}: cannot read {path.suffix!r} as a matrix: give .csv, .npy or .json")
    except BROKEN_FILE as e:
        raise DataError(
            f"{path}: not a matrix of numbers ({one_line(e, 100)}): give {classes} rows of {classes}"
        ) from e
    return check_matrix(found, classes, str(path))
