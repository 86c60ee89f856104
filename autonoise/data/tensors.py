"""``.pt`` and ``.safetensors`` files of tensors, named as the arrays of an npz, or a pair (X, y)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from autonoise.array_files import check_shape, check_unfolded, unfold_limit
from autonoise.data import arrays
from autonoise.data.base import Raw, Request
from autonoise.data.collected import as_array
from autonoise.errors import DataError, one_line


def read(path: Path, request: Request, max_bytes: int) -> Raw:
    """Read a file of tensors without running anything in it: ``weights_only`` for .pt files. Raises DataError."""
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            held: Any = load_file(str(path))
        except SafetensorError as e:
            raise DataError(
                f"{path}: not a .safetensors file, or a part of one ({one_line(e, 120)}): save it again"
            ) from None
    else:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_unfolded(sum(m.file_size for m in archive.infolist()), path, DataError)
        try:
            held = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as e:
            raise DataError(
                f"{path}: not a file of tensors alone ({one_line(e, 140)}): save a dict of tensors X and y"
            ) from None
    _check_sizes(held, path)
    if isinstance(held, tuple | list) and len(held) == 2:
        held = {"X": held[0], "y": held[1]}
    if not isinstance(held, Mapping) or not all(isinstance(k, str) for k in held):
        raise DataError(f"{path}: must hold tensors X and y, or X_train, y_train, X_test, y_test")
    return arrays.from_mapping({k: as_array(v) for k, v in held.items() if _is_data(v)}, request, str(path))


def _check_sizes(held: Any, path: Path) -> None:
    """Refuse tensors that show a few stored numbers as many (``expand``), or have dimensions beyond any size."""
    found = held.values() if isinstance(held, Mapping) else held if isinstance(held, tuple | list) else ()
    for value in found:
        if isinstance(value, torch.Tensor):
            most = unfold_limit(path.stat().st_size)
            check_shape(tuple(value.shape), value.element_size(), most, f"{path}: a tensor", DataError)


def _is_data(value: object) -> bool:
    return isinstance(value, torch.Tensor) or (isinstance(value, list) and bool(value))
