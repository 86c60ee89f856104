"""Which number means white in a set of pictures: read off the numbers themselves, not off their type."""

from __future__ import annotations

import numpy as np

from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array

EXACT = (1, 3, 7, 15, 16, 31, 63, 127)
"""A set whose brightest pixel is exactly one of these has that range: 1 to 7 bits, or the 17 levels of small digits."""
_BITS = (8, 10, 12, 14, 16)
"""Bits per pixel of cameras and scanners; white is 2 ** bits - 1."""
_TOLERANCE = 1e-3
"""Share of the range by which a pixel may lie beyond white: interpolation overshoots and float32 rounds by less."""
REMEDY = "multiply the pixels so that white is 255, or store one number full_scale (the value of white) beside X"


def white_of(high: float, *, floats: bool) -> float | None:
    """The number that means white where the brightest training pixel is ``high``; None: it cannot be told.

    ``floats``: not all pixels are whole numbers, so that a brightest pixel below 1 makes sense. Half of the range
    must be reached in 0..1 and 0..255, three quarters in 10 to 16 bits, which are rarer.
    """
    if high == 0:
        return 255.0  # all black in any range
    if high in EXACT:
        return float(high)
    if floats and 0.5 <= high <= 1 + _TOLERANCE:
        return 1.0
    for bits in _BITS:
        white = 2.0**bits - 1
        if high <= white * (1 + _TOLERANCE):
            share = 0.5 if bits == 8 else 0.75
            return white if high >= share * (white + 1) else None
    return None


def white_like(seen: float, *, floats: bool, like: float | None) -> float | None:
    """The same for a further part of a data set in which ``like`` is white: its own range only if that is another.

    What reaches half of the range ``like``, or fits no range by itself, has that range.
    """
    own = white_of(seen, floats=floats)
    if like is not None and seen <= like * (1 + _TOLERANCE) and (own is None or 2 * seen >= like):
        return like
    return own


def find_white(
    array: Array, *, where: str, notes: Notes, train: Array | None = None, like: float | None = None
) -> float:
    """The number that means white in an array of pixels, told if it is not 255; DataError if it cannot be known.

    The range is that of the training rows: pixels of the other parts must lie in it. ``like``: what is white in the
    data set that these rows are a further part of.
    """
    if not array.size:
        return 255.0
    _refuse_missing(array, where)
    low, high = float(array.min()), float(array.max())
    seen = high if train is None or train.all() else float(array[train].max())
    if low < 0:
        raise DataError(f"{where}: pixels must lie in 0..1 or 0..255, but got {low:g}..{high:g}: store them unscaled")
    floats = array.dtype.kind == "f" and not _whole(array)
    white = white_like(seen, floats=floats, like=like)
    if white is None:
        raise DataError(f"{where}: the brightest training pixel is {seen:g}, which fits no usual range: {REMEDY}")
    if high > white * (1 + _TOLERANCE):
        raise DataError(
            f"{where}: pixels reach {high:g} outside the training part, but {seen:g} in it: store all parts "
            "on one scale"
        )
    _tell(notes, seen, white, floats)
    return white


def to_bytes(array: Array, white: float, where: str) -> Array:
    """uint8 of the same shape, ``white`` becomes 255; DataError for pixels beyond it."""
    _refuse_missing(array, where)
    if array.size and not 0 <= float(array.min()) <= float(array.max()) <= white * (1 + _TOLERANCE):
        raise DataError(
            f"{where}: pixels lie in {array.min():g}..{array.max():g}, but full_scale says {white:g} is white: "
            "correct one of them"
        )
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    if array.dtype == np.uint8 and white == 255:
        return np.ascontiguousarray(array)
    out = np.empty(array.shape, dtype=np.uint8)
    for start in range(0, len(array), 256):  # never a float copy of the whole set
        part = array[start : start + 256].astype(np.float64)
        out[start : start + 256] = np.round(np.minimum(part * 255 / white, 255))
    return out


def _refuse_missing(array: Array, where: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise DataError(f"{where}: picture {row} holds a missing or infinite pixel: replace it by a number")


def _whole(array: Array) -> bool:
    return all(bool((part == np.round(part)).all()) for part in np.array_split(array, max(1, len(array) // 256)))


def _tell(notes: Notes, seen: float, white: float, floats: bool) -> None:
    if white != 255 and not (floats and white == 1):
        cut = ", which rounds them to 8 bits" if white > 255 else ""
        notes.tell(
            f"pixels are read as 0..{white:g} (the brightest training pixel is {seen:g}): "
            f"multiplied by 255/{white:g}{cut}",
            guess=True,
        )
