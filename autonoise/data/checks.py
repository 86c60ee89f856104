"""Checks that all readers share, and where the code of a data type lies."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from autonoise.array_files import unfold_limit
from autonoise.errors import DataError
from autonoise.types import DataType


def module_of(data_type: DataType) -> Any:
    """The file of a data type: ``prepare``, ``from_array``, ``from_frame`` and ``read_files`` if any."""
    return importlib.import_module(f"autonoise.data.{data_type}")


def check_padded(padded: int, held: int, where: Path | str) -> None:
    """Raise DataError where rows of ``held`` bytes, filled up to the length of the longest, take too many bytes."""
    if padded > unfold_limit(held):
        raise DataError(
            f"{where}: rows of very different lengths, which take {padded / 2**30:.3g} GiB once all are as long as the "
            f"longest: cut the longest ones, or leave them out"
        )


def check_size(
    size: int, max_bytes: int, where: Path | str, *, remedy: str = "give a sample of it, or raise max_bytes"
) -> None:
    """Raise DataError, with the remedy, where ``size`` bytes are more than ``max_bytes``."""
    if size > max_bytes:
        raise DataError(f"{where}: {size / 2**30:.3g} GiB is above the limit of {max_bytes / 2**30:.3g} GiB: {remedy}")
