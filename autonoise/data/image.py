"""Pictures: uint8 rows (N, H, W, C) from arrays or files, and their preparation to 0..1."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autonoise.data.base import Array, Dataset, Rows, refuse_infinite, take
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Batch, DataType, InputSpec, Scale

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
MAX_SIDE = 512
FOLDER_SIDE = 64
"""Longest side of pictures read from a folder: proxies are made for small pictures."""
_log = logging.getLogger(__name__)


def looks_like(array: Array) -> bool:
    """Whether an array of 3 or 4 dimensions is a set of pictures rather than of series.

    Four dimensions or uint8 say so; (n, h, w) numbers do if h = w and all are pixel values (0..1, or whole
    numbers 0..255).
    """
    if array.ndim == 4 or (array.ndim == 3 and array.dtype == np.uint8):
        return True
    if array.ndim != 3 or array.shape[1] != array.shape[2] or array.dtype.kind not in "iuf" or not array.size:
        return False
    low, high = array.min(), array.max()
    whole = array.dtype.kind in "iu" or bool((array == np.round(array)).all())
    return bool(low >= 0 and (high <= 1 or (whole and high <= 255)))


def from_array(
    array: Array, *, lengths: Array | None, where: str, notes: Notes | None = None, train: Array | None = None
) -> Array:
    """uint8 (N, H, W, C) from (N, H, W), (N, H, W, C) or (N, C, H, W) in 0..255 or 0..1, or DataError."""
    if lengths is not None:
        raise DataError(f"{where}: pictures have no lengths: remove the length array or choose another data type")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype.kind not in "iuf":
        raise DataError(f"{where}: pictures must be numbers of shape (n, h, w) or (n, h, w, c), but got {array.shape}")
    if array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    _, height, width, channels = array.shape
    if channels not in (1, 3) or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise DataError(
            f"{where}: pictures must have 1 or 3 channels and sides up to {MAX_SIDE}, but got "
            f"{height}x{width}x{channels}: "
            "convert or shrink them"
        )
    if array.dtype == np.uint8 or not array.size:
        return np.ascontiguousarray(array, dtype=np.uint8)
    refuse_infinite(array, where)
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):
        raise DataError(f"{where}: pixels must lie in 0..1 or 0..255, but got {low:g}..{high:g}: store them unscaled")
    return np.round(array * (255 if high <= 1 and array.dtype.kind == "f" else 1)).astype(np.uint8)


def read_files(files: Sequence[Path], where: str) -> tuple[Array, int | None]:
    """Read picture files at one common size; (rows, no sample rate).

    The size is the most common one, its longest side at most 64; other pictures are stretched to it, which
    is logged.
    Grey if all are grey, else RGB.
    """
    from PIL import Image, ImageOps

    pictures: list[Image.Image] = []
    for file in files:
        try:
            with Image.open(file) as opened:
                picture = ImageOps.exif_transpose(opened)
                if picture.mode.startswith("I"):  # 16 bit: convert() alone would cut at 255
                    picture = picture.convert("I").point(lambda v: v * (1 / 257))
                grey = picture.mode in ("1", "L", "LA", "I")
                pictures.append(picture.convert("L" if grey else "RGB"))
                pictures[-1].thumbnail((MAX_SIDE, MAX_SIDE))  # never hold a folder of photographs at full size
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
        ) as e:
            raise DataError(f"{file}: unreadable picture ({str(e).splitlines()[0]}): remove or replace it") from e
    (width, height), same = Counter(p.size for p in pictures).most_common(1)[0]
    shrink = min(1.0, FOLDER_SIDE / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    if shrink < 1 or same < len(pictures):
        _log.info("%s: %d pictures resized to %dx%d", where, sum(p.size != size for p in pictures), *size)
    mode = "L" if all(p.mode == "L" for p in pictures) else "RGB"
    x = np.stack(
        [
            np.asarray(p.convert(mode).resize(size, Image.Resampling.BILINEAR) if p.size != size else p.convert(mode))
            for p in pictures
        ]
    )
    return (x[..., None] if x.ndim == 3 else x), None


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
