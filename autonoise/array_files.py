"""NumPy's files read without trust: what they claim to hold is compared with their size before anything is unpacked."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from autonoise.errors import AutonoiseError

BROKEN_FILE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # a zip file with a password; also nesting too deep, and ways of compression that nobody knows
    SyntaxError,  # NumPy reads a header as Python's words
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What zipfile, NumPy and the like raise on a broken file."""
UNFOLD = 50
"""How many times its size on disk a compressed file may unfold to; tables and pictures reach 3 to 20 times."""
UNFOLD_FREE = 256 * 2**20
"""Bytes that any compressed file may unfold to, however small it is (256 MiB): that much memory is no danger."""


def check_unfolded(
    size: int, path: Path, error: type[AutonoiseError], *, on_disk: int | None = None, free: int = UNFOLD_FREE
) -> None:
    """Raise ``error`` where a file unfolds to ``size`` bytes, more than ``unfold_limit`` allows."""
    limit = unfold_limit(path.stat().st_size if on_disk is None else on_disk, free)
    if size > limit:
        raise error(
            f"{path}: unfolds to more than {limit / 2**20:,.0f} MiB, above {UNFOLD} times its size, so it is taken for "
            f"a damaged or hostile file: save it without compression if it is not"
        )


def unfold_limit(on_disk: int, free: int = UNFOLD_FREE) -> int:
    """Bytes that a compressed file of ``on_disk`` bytes may unfold to."""
    return max(free, UNFOLD * on_disk)


@contextmanager
def open_npz(path: Path, error: type[AutonoiseError]) -> Iterator[Any]:
    """The arrays of an .npz by name, without Python objects, after a check of what their headers claim.

    Raises ``error`` where an array claims more than its file holds, or all of them unfold to too much; what zipfile and
    NumPy raise on a broken file passes through.
    """
    # opened here, because NumPy does not close a file that it opened itself and then cannot read
    with path.open("rb") as raw:
        with zipfile.ZipFile(raw) as archive:
            members = archive.infolist()
            check_unfolded(sum(member.file_size for member in members), path, error)
            for member in members:
                if member.filename.endswith(".npy"):
                    with archive.open(member) as file:
                        _check_header(file, member.file_size, f"{path}: array {member.filename[:-4]}", error)
        raw.seek(0)
        with np.load(raw, allow_pickle=False) as stored:
            yield stored


def load_npy(path: Path, error: type[AutonoiseError]) -> np.ndarray[Any, np.dtype[Any]]:
    """The array of an .npy, without Python objects. Raises ``error`` where its header claims more than the file has."""
    with path.open("rb") as file:
        _check_header(file, path.stat().st_size, str(path), error)
        file.seek(0)
        found: np.ndarray[Any, np.dtype[Any]] = np.lib.format.read_array(file, allow_pickle=False)
        return found


def check_shape(shape: tuple[int, ...], itemsize: int, most: int, where: str, error: type[AutonoiseError]) -> None:
    """Raise ``error`` where an array of this shape would take more than ``most`` bytes.

    A dimension of 0 counts as 1: an array of no columns and a billion rows is empty, and yet has a billion labels.
    """
    claimed = max(itemsize, 1) * math.prod(max(n, 1) for n in shape)
    if claimed > (most if 0 not in shape else max(most, 2**20)):
        told = "x".join(map(str, shape))[:80]
        raise error(f"{where} claims to be {told}, more than the file holds: check that the file is complete")


def _check_header(file: IO[bytes], size: int, where: str, error: type[AutonoiseError]) -> None:
    """Compare the shape in the header of an .npy with the ``size`` bytes that the file has."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:  # 3.0 differs in the names of fields only, which no array here has
        raise error(f"{where} is stored in a form with named fields: save plain numbers")
    if not dtype.hasobject:  # Python objects are refused when they are read
        check_shape(shape, dtype.itemsize, size, where, error)
