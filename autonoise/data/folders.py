"""Folders with one folder of pictures or clips per class, optionally below train/, valid/ and test/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autonoise.data.base import Raw, Request
from autonoise.data.readers import SPLIT_NAMES, check_size, module_of, split_names
from autonoise.errors import DataError
from autonoise.types import DataType

_HOLDERS = (DataType.IMAGE, DataType.AUDIO)


def read(root: Path, request: Request, max_bytes: int) -> Raw:
    """Read all pictures, or all clips, below ``root``; the folder that holds a file names its class."""
    request.refuse(str(root), "target", "clean_target", "group")
    if request.data_type is not None and request.data_type not in _HOLDERS:
        raise DataError(f"{root}: a folder holds pictures or clips, not {request.data_type} data: give a file")
    found = list(_walk(root))
    kinds = [k for k in _HOLDERS if request.data_type in (None, k)]
    held = {k: [f for f in found if f[0].suffix.lower() in module_of(k).SUFFIXES] for k in kinds}
    present = [k for k in kinds if held[k]]
    if len(present) > 1:
        raise DataError(f"{root}: holds both pictures and clips: say which with data_type")
    if not present:
        known = " ".join(sorted(s for k in kinds for s in module_of(k).SUFFIXES))
        raise DataError(f"{root}: no class folders with files to read: put {known} files into one folder per class")
    data_type, files = present[0], held[present[0]]
    check_size(sum(f.stat().st_size for f, _, _ in files), max_bytes, root)
    x, rate = module_of(data_type).read_files([f for f, _, _ in files], str(root))
    parts = np.array([s for _, _, s in files])
    return Raw(
        data_type,
        x,
        np.array([c for _, c, _ in files], dtype=object),
        sample_rate=rate,
        split=split_names(parts, str(root)) if parts.all() else None,
    )


def _walk(root: Path) -> Iterator[tuple[Path, str, str]]:
    """(file, class, split or "") in a stable order; hidden files and folders are passed over."""
    top = _folders(root)
    parts = [(d, d.name) for d in top if d.name.lower() in SPLIT_NAMES]
    if "train" not in {n.lower() for _, n in parts} or len(parts) != len(top):
        parts = [(root, "")]
    for base, part in parts:
        for folder in _folders(base):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and not any(p.startswith(".") for p in file.relative_to(base).parts):
                    yield file, folder.name, part


def _folders(path: Path) -> list[Path]:
    return sorted(d for d in path.iterdir() if d.is_dir() and not d.name.startswith("."))
