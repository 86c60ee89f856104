"""Text files in any Unicode encoding, compressed with gzip or not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TextIO, cast

from autonoise.array_files import check_unfolded, unfold_limit
from autonoise.errors import DataError

MOST_OF_GZIP = 1032
"""How many times its size gzip can unfold to at most."""
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte-order marks. The first one that fits counts: that of UTF-32 begins with that of UTF-16."""


MAX_TEXT = 64 * 2**20
"""Bytes that any compressed text may unfold to (64 MiB); its cells take several times as much memory as its letters."""


def check_gzip(path: Path) -> None:
    """Raise DataError where a .gz unfolds to more than it may. It is unpacked once for that, and nothing of it kept."""
    if not path.name.lower().endswith(".gz"):
        return
    on_disk, size = path.stat().st_size, 0
    if on_disk * MOST_OF_GZIP <= unfold_limit(on_disk, MAX_TEXT):
        return
    with gzip.open(path, "rb") as file:
        while chunk := file.read(2**20):
            size += len(chunk)
            check_unfolded(size, path, DataError, free=MAX_TEXT)


def suffix_of(path: Path) -> str:
    """The extension in lower case, without ``.gz``."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def encoding_of(path: Path) -> str:
    """The encoding that the first bytes of a text file (.gz or not) tell of, its byte-order mark taken off."""
    with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
        start = file.read(4)
    found = next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8-sig")
    if found == "utf-8-sig" and b"\x00" in start:
        raise DataError(f"{path}: looks like UTF-16 without a byte-order mark: save it as UTF-8")
    return found


def open_text(path: Path) -> TextIO:
    """A text file (.gz or not), in whichever Unicode encoding it is, opened for reading."""
    if path.name.lower().endswith(".gz"):
        return cast("TextIO", gzip.open(path, "rt", encoding=encoding_of(path)))
    return path.open(encoding=encoding_of(path))
