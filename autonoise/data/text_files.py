"""Text files in any Unicode encoding, compressed with gzip or not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TextIO, cast

from autonoise.errors import DataError

_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte-order marks. The first one that fits counts: that of UTF-32 begins with that of UTF-16."""


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
