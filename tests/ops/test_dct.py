from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dct

from autonoise.ops.dct import dct_matrix


def test_it_is_scipys_orthonormal_transform() -> None:
    v = np.random.default_rng(0).random((11, 3))
    matrix = dct_matrix(11, torch.empty(0, dtype=torch.float64)).numpy()
    assert np.allclose(matrix @ v, dct(v, axis=0, norm="ortho"))
    assert np.allclose(matrix @ matrix.T, np.eye(11))
