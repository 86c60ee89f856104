"""The orthonormal cosine transform (DCT-II) as a matrix."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autonoise.ops.devices import on_device


@lru_cache(maxsize=16)
def _matrix(size: int) -> NDArray[np.float64]:
    """Return the matrix of :func:`dct_matrix` as float64; it is kept for the last 16 sizes."""
    k, n = np.mgrid[:size, :size]
    matrix = np.sqrt(2 / size) * np.cos(np.pi * k * (2 * n + 1) / (2 * size))
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, dtype=np.float64)


def dct_matrix(size: int, like: Tensor) -> Tensor:
    """Return the matrix D (size, size) for which ``D @ v`` is the DCT-II of v, and D @ D.T is the identity.

    It has the dtype and device of ``like``. It is kept for the next batches and must never be changed in place.
    """
    return _matrix_on(size, like.dtype, str(like.device))


@lru_cache(maxsize=16)
def _matrix_on(size: int, dtype: torch.dtype, device: str) -> Tensor:
    # a tensor that was made in inference mode could not be used in training
    with torch.inference_mode(False):
        return on_device(torch.from_numpy(_matrix(size)).to(dtype, copy=True), torch.device(device))


def block_diagonal(matrix: Tensor, size: int) -> Tensor:
    """Return a matrix (size, size) with copies of a smaller one along its diagonal, which must fill it."""
    copies = torch.eye(size // len(matrix), dtype=matrix.dtype, device=matrix.device)
    return torch.kron(copies, matrix)
