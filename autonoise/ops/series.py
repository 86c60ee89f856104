"""Read series at displaced times, and draw smooth curves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autonoise.ops.devices import on_device
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
    """Return a matrix (knots, length): values at equally spaced knots times this matrix give the cubic spline.

    The spline is the one without a knot at the second and at the last but one place ("not-a-knot", de Boor 1978, A
    Practical Guide to Splines); through three knots it is the parabola, and through two the straight line.
    """
    at = np.linspace(0, max(length - 1, 1), knots)
    width = np.diff(at)[:, None]
    values = np.eye(knots)
    rise = np.diff(values, axis=0) / width
    slopes = _spline_slopes(rise)
    steps = np.arange(length)
    piece = np.searchsorted(at, steps, side="right").clip(1, knots - 1) - 1
    # within a piece, with u the distance from its left knot: value + slope u + b u^2 + a u^3
    bend = (slopes[:-1] + slopes[1:] - 2 * rise) / width
    a, b = bend / width, (rise - slopes[:-1]) / width - bend
    u = (steps - at[piece])[:, None]
    curve = values[piece] + slopes[piece] * u + b[piece] * (u * u) + a[piece] * (u * u * u)
    return np.asarray(curve.T, dtype=np.float32)


def _spline_slopes(rise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slopes (K, ...) of the spline at its knots from those of the K - 1 straight lines between the knots.

    Row i of the equations says that the second derivative does not jump at knot i. The first and the last row say
    that the third derivative does not jump at the knot next to the end.
    """
    knots = len(rise) + 1
    if knots == 2:
        return rise.repeat(2, axis=0)
    system = 4 * np.eye(knots) + np.eye(knots, k=1) + np.eye(knots, k=-1)
    right = np.zeros((knots, *rise.shape[1:]))
    right[1:-1] = 3 * (rise[:-1] + rise[1:])
    if knots == 3:
        # one parabola has no third derivative: its slopes at the ends follow from the mean slope of each half
        system[0], system[-1] = (1, 1, 0), (0, 1, 1)
        right[0], right[-1] = 2 * rise[0], 2 * rise[-1]
    else:
        system[0, :2], system[-1, -2:] = (1, 2), (2, 1)
        right[0], right[-1] = (5 * rise[0] + rise[1]) / 2, (5 * rise[-1] + rise[-2]) / 2
    return np.asarray(np.linalg.solve(system, right), dtype=np.float64)


def smooth_curve(values: Tensor, length: int) -> Tensor:
    """Return the cubic spline (..., length) through ``values`` (..., K) at K equally spaced knots, K at least 2.

    The first knot is at the first step and the last knot at the last step.
    """
    return values @ _basis_on(values.shape[-1], length, values.dtype, values.device)


@lru_cache(maxsize=16)
def _basis_on(knots: int, length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return :func:`_spline_basis` on a device; it is kept, so it must never be changed in place."""
    # a tensor that was made in inference mode could not be used in training
    with torch.inference_mode(False):
        return on_device(torch.from_numpy(_spline_basis(knots, length)), device).to(dtype)


def rising_curve(values: Tensor, places: Tensor) -> Tensor:
    """Return the monotone cubic curve (B, L) through rising ``values`` (B, K), at ``places`` (B, L) in 0 .. K - 1.

    The values stand at the places 0, 1, .. K - 1; between them the curve rises and has no corners (Fritsch & Carlson
    1980, as in the PCHIP interpolation of scipy).
    """
    rise = values.diff(dim=1)
    # the slope at an inner value is the harmonic mean of the rises on both sides
    inner = 2 * rise[:, 1:] * rise[:, :-1] / (rise[:, 1:] + rise[:, :-1]).clamp(min=1e-20)
    # at the ends that of the parabola through the outermost three values, which must not fall
    first, last = (
        ((3 * a - b) / 2).clamp(min=0) for a, b in ((rise[:, :1], rise[:, 1:2]), (rise[:, -1:], rise[:, -2:-1]))
    )
    slope = torch.cat([first, inner, last], dim=1)
    low = places.floor().clamp(0, values.shape[1] - 2).long()
    t = places - low
    start, step = values.gather(1, low), rise.gather(1, low)
    before, after = slope.gather(1, low), slope.gather(1, low + 1)
    return start + t * (before + t * (3 * step - 2 * before - after + t * (before + after - 2 * step)))
