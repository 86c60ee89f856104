"""Pictures: uint8 rows (N, H, W, C) from arrays or files, and their preparation to 0..1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autonoise.data.base import Dataset, Rows, take
from autonoise.data.levels import find_white, to_bytes
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array, Batch, DataType, InputSpec, Scale

MAX_SIDE = 512
"""Longest side in pixels: larger pictures would not fit into memory as a whole set."""


def looks_like(array: Array) -> bool:
    """Whether an array of 3 or 4 dimensions is a set of pictures rather than of series.

    Four dimensions, uint8 or bool say so; (n, h, w) numbers do if h = w and all may be pixel values: 0..1, or
    0..255, or whole numbers up to 65535.
    """
    if array.ndim == 4 or (array.ndim == 3 and array.dtype in (np.uint8, np.bool_)):
        return True
    if array.ndim != 3 or array.shape[1] != array.shape[2] or array.dtype.kind not in "iuf" or not array.size:
        return False
    low, high = array.min(), array.max()
    whole = array.dtype.kind in "iu" or bool((array == np.round(array)).all())
    return bool(low >= 0 and high <= (65535 if whole else 255))


def from_array(
    array: Array,
    *,
    lengths: Array | None,
    where: str,
    notes: Notes | None = None,
    train: Array | None = None,
    full_scale: float | None = None,
) -> Array:
    """uint8 (N, H, W, C) from (N, H, W), (N, H, W, C) or (N, C, H, W); ``full_scale`` is white. Or DataError.

    Without ``full_scale`` the range is what the training pixels fill (see :mod:`autonoise.data.levels`).
    """
    if lengths is not None:
        raise DataError(f"{where}: pictures have no lengths: remove the length array or choose another data type")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype.kind not in "iufb":
        raise DataError(f"{where}: pictures must be numbers of shape (n, h, w) or (n, h, w, c), but got {array.shape}")
    if array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    _, height, width, channels = array.shape
    if channels not in (1, 3) or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise DataError(
            f"{where}: pictures must have 1 or 3 channels and sides up to {MAX_SIDE}, but got "
            f"{height}x{width}x{channels}: "
            "convert or shrink them (transparent ones: lay them on white)"
        )
    if full_scale is None:
        full_scale = find_white(array, where=where, notes=Notes(where) if notes is None else notes, train=train)
    return to_bytes(array, full_scale, where)


@dataclass(frozen=True)
class ImagePreparation:
    """uint8 (N, H, W, C) → float32 (N, C, H, W) in 0..1; ``spec`` has the training pixels' mean and std."""

    spec: InputSpec

    def __call__(self, rows: Rows) -> Batch:
        x = torch.from_numpy(np.ascontiguousarray(np.asarray(rows).transpose(0, 3, 1, 2)))
        return x.to(torch.float32).div_(255.0)

    def state(self) -> dict[str, Any]:
        return {"mean": list(self.spec.mean), "std": list(self.spec.std), "layout": list(self.spec.layout)}


def prepare(dataset: Dataset, train: Array) -> ImagePreparation:
    """Measure mean and standard deviation of each channel over the training pixels, in units of 0..1."""
    x = np.asarray(take(dataset.x, train))
    # from 256 counts a channel: exact, and without a float copy of the whole set
    shares = np.stack([np.bincount(x[..., c].ravel(), minlength=256) for c in range(x.shape[3])]) / x[..., 0].size
    level = np.arange(256) / 255
    mean = shares @ level
    std = np.sqrt((shares * (level - mean[:, None]) ** 2).sum(axis=1))
    std = np.where(std > 1e-6, std, 1.0)
    _, height, width, channels = x.shape
    return ImagePreparation(
        InputSpec(
            data_type=DataType.IMAGE,
            layout=(channels, height, width),
            classes=dataset.classes,
            scale=Scale.UNIT,
            mean=tuple(mean.tolist()),
            std=tuple(std.tolist()),
        )
    )
