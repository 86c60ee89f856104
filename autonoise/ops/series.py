"""Read series at displaced times, and draw smooth curves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autonoise.ops.precision import widen


def row_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the number of valid steps of each row of x (B, ..., L), at least 1, as float32 (B, 1)."""
    if lengths is None:
        return torch.full((len(x), 1), float(x.shape[-1]), device=x.device)
    return lengths.to(device=x.device, dtype=torch.float32).clamp(min=1)[:, None]


def read_at(x: Tensor, times: Tensor) -> Tensor:
    """Return x (B, C, L) or (B, L), linearly interpolated at ``times`` (B, L), which count steps.

    Times before the beginning or after the end give the first or the last value.
    """
    last = x.shape[-1] - 1
    times = times.clamp(0, last)
    low = times.floor()
    shape = x.shape[:-1] + times.shape[-1:]

    def take(index: Tensor) -> Tensor:
        index = index.long().clamp(max=last)
        return wide.gather(-1, (index if x.ndim == 2 else index[:, None]).expand(shape))

    wide = widen(x)
    weight = (times - low).to(wide.dtype)
    return torch.lerp(take(low), take(low + 1), weight if x.ndim == 2 else weight[:, None]).to(x.dtype)


@lru_cache(maxsize=64)
def _spline_basis(knots: int, length: int) -> NDArray[np.float32]:
    """Return a matrix (knots, length): values at equally spaced knots times this matrix give the cubic spline."""
    from scipy.interpolate import CubicSpline

    at = np.linspace(0, max(length - 1, 1), knots)
    return np.asarray(CubicSpline(at, np.eye(knots))(np.arange(length)).T, dtype=np.float32)


def smooth_curve(values: Tensor, length: int) -> Tensor:
    """Return the cubic spline (..., length) through ``values`` (..., K) at K equally spaced knots, K at least 2.

    The first knot is at the first step and the last knot at the last step.
    """
    basis = torch.from_numpy(_spline_basis(values.shape[-1], length)).to(values.device)
    return values @ basis.to(values.dtype)
