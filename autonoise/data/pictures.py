"""Picture files: every still picture that Pillow decodes by itself becomes uint8 of one common size."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from autonoise.data.image import MAX_SIDE
from autonoise.data.levels import white_like
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array

SUFFIXES = frozenset({
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".webp", ".gif", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".jp2", ".j2k", ".avif", ".qoi",
})  # fmt: skip
FOLDER_SIDE = 64
"""Longest side of pictures read from a folder: proxies are made for small pictures."""
# what a file claims to be by its name is not believed, and formats that start other programs (PostScript) are not read
_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "WEBP", "GIF", "TIFF", "PPM", "TGA", "PCX", "JPEG2000", "AVIF", "QOI")
MOST_BLENDED, MOST_DEEP = 50_000_000, 32_000_000
"""Pixels of a picture with transparency or a palette, and of one with more than 8 bits: both are held several times."""
_FEW_LEVELS = 16
"""8-bit files whose brightest pixel is at most this hold class numbers or few levels, not dark photographs."""
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class _Picture:
    """One decoded file: as it will be used, or None for samples of more than 8 bits that wait for their range."""

    image: Image.Image | None
    samples: str
    high: float
    frames: int
    transparent: bool


def read_files(
    files: Sequence[Path], notes: Notes, *, train: Array | None = None, like: float | None = None
) -> tuple[Array, int | None, float | None]:
    """Read picture files at one common size; (rows, None, the white of all if it is one number).

    The size is the most common one of the training pictures, its longest side at most 64; other pictures are stretched
    to it. All are grey if the training pictures are, else RGB. Transparent pixels lie on white, turns that a camera
    noted (EXIF) are applied, of several frames the first is taken. Files of more than 8 bits, and those of few levels,
    are scaled by what the training files fill. All of it is told.
    """
    trained = np.ones(len(files), dtype=bool) if train is None else train
    read = [_read(file, {}) for file in files]
    whites = {kind: _white(kind, read, trained, notes, like) for kind in sorted({p.samples for p in read})}
    read = [
        p if p.image is not None and whites[p.samples] == 255 else _read(file, whites)
        for file, p in zip(files, read, strict=True)
    ]
    for count, what in (
        (sum(p.transparent for p in read), "transparent pictures laid on white"),
        (sum(p.frames > 1 for p in read), "pictures of several frames or pages: the first one is read"),
    ):
        if count:
            notes.tell(f"{count} {what}")
    return (
        _one_size([p.image for p in read if p.image is not None], trained, notes),
        None,
        next(iter(whites.values())) if len(whites) == 1 else None,
    )


def _read(file: Path, whites: Mapping[str, float]) -> _Picture:
    try:
        Image.init()
        formats = [f for f in _FORMATS if f in Image.OPEN]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on odd tags; pixels that are missing are an error
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # whatever the caller's own filters are
            with Image.open(file, formats=formats) as opened:
                _check_pixels(opened, file)
                frames = int(getattr(opened, "n_frames", 1))
                return _decode(ImageOps.exif_transpose(opened), whites, frames, file)
    except _BROKEN as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise DataError(f"{file}: unreadable picture ({reason}): remove or replace it") from e


def _check_pixels(picture: Image.Image, file: Path) -> None:
    """Raise DataError for more pixels than can be decoded in a GiB. Pillow itself refuses more than 89 million."""
    limit = MOST_DEEP if picture.mode.startswith(("I", "F")) else MOST_BLENDED
    plain = picture.mode in ("1", "L", "RGB", "YCbCr", "CMYK") and not picture.has_transparency_data
    pixels = picture.width * picture.height
    if not plain and pixels > limit:
        raise DataError(
            f"{file}: {pixels / 1e6:,.0f} million pixels, above the {limit / 1e6:.0f} million that can be read with "
            f"a palette, transparency or more than 8 bits: scale it down"
        )


def _decode(picture: Image.Image, whites: Mapping[str, float], frames: int, file: Path) -> _Picture:
    transparent = picture.has_transparency_data
    if picture.mode.startswith(("I", "F")):  # more than 8 bits: convert() alone would cut at 255
        samples = "floats" if picture.mode == "F" else "deep"
        values = np.asarray(picture, dtype=np.float32)
        if not (np.isfinite(values).all() and values.min(initial=0) >= 0):
            raise DataError(f"{file}: pixels below 0, missing or infinite: store 0..1 or whole numbers from 0")
        clear = values == picture.info["transparency"] if transparent else np.zeros(values.shape, dtype=bool)
        high = float(values[~clear].max(initial=0))
        image = None
        if samples in whites:
            image = _small(_scaled(np.where(clear, whites[samples], values), whites[samples]))
        return _Picture(image, samples, high, frames, transparent)
    grey = is_grey(picture)
    picture = on_white(picture)
    palette = picture.mode == "P"
    picture = picture.convert("L" if grey else "RGB")
    if palette and (np.ptp(np.asarray(picture), axis=2) == 0).all():
        picture = picture.convert("L")  # a palette of greys
    # 16 bit colour, too, arrives here as 8 bit
    high = float(np.asarray(picture).max(initial=0))
    white = whites.get("bytes", 255.0)
    if white != 255:
        picture = _scaled(np.asarray(picture, dtype=np.float32), white)
    return _Picture(_small(picture), "bytes", high, frames, transparent)


def is_grey(picture: Image.Image) -> bool:
    """Whether a picture has one channel of brightness, with transparency or without."""
    return picture.mode in ("1", "L", "LA", "La")


def on_white(picture: Image.Image) -> Image.Image:
    """The picture without transparency: what lies behind a transparent picture is white paper."""
    if not picture.has_transparency_data:
        return picture
    seen = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)


def _scaled(values: Array, white: float) -> Image.Image:
    return Image.fromarray(np.round(np.clip(values * 255 / white, 0, 255)).astype(np.uint8))


def _small(picture: Image.Image) -> Image.Image:
    picture.thumbnail((MAX_SIDE, MAX_SIDE))  # never hold a folder of photographs at full size
    return picture


def _white(kind: str, read: Sequence[_Picture], train: Array, notes: Notes, like: float | None) -> float:
    """What is white in the files of one kind of samples, told where it is not what the file format says."""
    of_kind = [p.samples == kind for p in read]
    high = max(p.high for p, same in zip(read, of_kind, strict=True) if same)
    seen = max((p.high for p, same, t in zip(read, of_kind, train, strict=True) if same and t), default=high)
    if kind == "bytes":  # the format says that 255 is white: a dark set is dark, but 0..1 or 0..16 is no picture
        few = white_like(seen, floats=False, like=like) if 0 < seen <= _FEW_LEVELS else None
        white = few if few is not None and high <= few else 255.0
    else:
        found = white_like(seen, floats=kind == "floats", like=like)
        if found is None or high > found * 1.001:
            raise DataError(
                f"{notes.where}: the brightest pixel of files with more than 8 bits is {seen:g} in training, {high:g} "
                "in all, which fits no usual range: convert them to 8 bits, white = 255"
            )
        white = found
    if white not in (255.0, 65535.0):
        notes.tell(
            f"{sum(of_kind)} picture files are read as 0..{white:g} (the brightest training pixel is {seen:g}): "
            f"multiplied by 255/{white:g}",
            guess=True,
        )
    return white


def _one_size(pictures: Sequence[Image.Image], train: Array, notes: Notes) -> Array:
    """(N, H, W, C) of the most common size and of the colours of the training pictures."""
    trained = [p for p, t in zip(pictures, train, strict=True) if t]
    (width, height), _ = Counter(p.size for p in trained).most_common(1)[0]
    shrink = min(1.0, FOLDER_SIDE / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    resized = sum(p.size != size for p in pictures)
    if resized:
        notes.tell(f"{resized} pictures resized to {size[0]}x{size[1]}")
    mode = "L" if all(p.mode == "L" for p in trained) else "RGB"
    coloured = sum(p.mode != "L" for p in pictures) if mode == "L" else 0
    if coloured:
        notes.tell(f"{coloured} pictures in colour become grey, as all training pictures are", guess=True)
    x = np.stack(
        [
            np.asarray(p.convert(mode).resize(size, Image.Resampling.BILINEAR) if p.size != size else p.convert(mode))
            for p in pictures
        ]
    )
    return x[..., None] if x.ndim == 3 else x
