"""Folders with one folder of pictures or clips per class, optionally below train/, valid/ and test/."""

from __future__ import annotations

import importlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autonoise.data.base import Raw, Request
from autonoise.data.checks import check_size
from autonoise.data.layout import ASIDE, Entry, entries
from autonoise.data.names import split_names
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import DataType

_READERS = {DataType.IMAGE: "pictures", DataType.AUDIO: "clips"}


def read(root: Path, request: Request, max_bytes: int) -> Raw:
    """Read all pictures, or all clips, below ``root``; the folder that holds a file names its class."""
    request.refuse(str(root), "target", "clean_target", "group", "text_column")
    if request.data_type is not None and request.data_type not in _READERS:
        raise DataError(f"{root}: a folder holds pictures or clips, not {request.data_type} data: give a file")
    notes = Notes(str(root))
    kinds = [k for k in _READERS if request.data_type in (None, k)]
    suffixes = {k: _reader(k).SUFFIXES for k in kinds}
    try:
        found = entries(root, frozenset().union(*suffixes.values()), notes)
    except OSError as e:
        raise DataError(f"{root}: a folder in it cannot be read ({e}): check its permissions") from e
    held = {k: [f for f in found if f.file.suffix.lower() in suffixes[k]] for k in kinds}
    present = [k for k in kinds if held[k]]
    if len(present) > 1:
        raise DataError(f"{root}: holds both pictures and clips: say which with data_type")
    if not present:
        known = " ".join(sorted(s for k in kinds for s in suffixes[k]))
        raise DataError(f"{root}: no class folders with files to read: put {known} files into one folder per class")
    data_type, files = present[0], held[present[0]]
    for entry in files:
        if not entry.file.is_file():
            raise DataError(f"{entry.file}: a link that leads to no file: remove it")
    names = _classes(root, files)
    _left_out(root, found, files, notes)
    check_size(sum(f.file.stat().st_size for f in files), max_bytes, root)
    parts = np.array([f.part for f in files])
    split = split_names(parts, str(root)) if parts.all() else None
    train = np.ones(len(files), dtype=bool) if split is None else split == "train"
    x, rate, full = _reader(data_type).read_files([f.file for f in files], notes, train=train, like=request.full_scale)
    return Raw(data_type, x, np.array(names, dtype=object), sample_rate=rate, split=split, notes=notes, full_scale=full)


def _reader(data_type: DataType) -> Any:
    return importlib.import_module(f"autonoise.data.{_READERS[data_type]}")


def _classes(root: Path, files: Sequence[Entry]) -> list[str]:
    """The class of each file; two spellings of one name would be two classes and are refused."""
    names = [unicodedata.normalize("NFC", f.label) for f in files]
    spelt: dict[str, str] = {}
    for name in names:
        other = spelt.setdefault(name.strip().casefold(), name)
        if other != name:
            raise DataError(f"{root}: folders {other!r} and {name!r} would be two classes: give them one name")
    return names


def _left_out(root: Path, found: Sequence[Entry], read: Sequence[Entry], notes: Notes) -> None:
    """Tell which files in class folders are not read, and refuse a class that would lose all of its files."""
    chosen = {f.file for f in read}
    gone = [f for f in found if f.file not in chosen]
    kept = {(f.part, f.label) for f in read}
    for key in sorted({(f.part, f.label) for f in gone} - kept):
        types = _types([f for f in gone if (f.part, f.label) == key])
        place = "/".join(k for k in key if k)
        raise DataError(
            f"{root}: no file of class folder {place!r} can be read ({types}): convert the files, "
            "or move the folder away"
        )
    if gone:
        data = any(f.file.suffix.lower() not in ASIDE for f in gone)
        notes.tell(f"{len(gone)} files are left out, which cannot be read ({_types(gone)})", guess=data)


def _types(files: Sequence[Entry]) -> str:
    counts = Counter(f.file.suffix.lower() or "without extension" for f in files)
    return ", ".join(f"{n} {suffix}" for suffix, n in sorted(counts.items(), key=lambda v: (-v[1], v[0])))
