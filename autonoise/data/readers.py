"""From a path to raw rows: which reader a source needs, and the checks that all of them share."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from autonoise.array_files import BROKEN_FILE
from autonoise.data.base import Raw, Request
from autonoise.data.checks import check_size
from autonoise.data.text_files import check_gzip, suffix_of
from autonoise.errors import AutonoiseError, DataError, one_line

T = TypeVar("T")
_READERS: dict[str, str] = {
    ".npz": "arrays",
    ".csv": "tables",
    ".parquet": "tables",
    ".jsonl": "tables",
    ".pt": "tensors",
    ".safetensors": "tensors",
    ".ts": "archive",
    ".tsv": "archive",
}


def read(path: Path, request: Request, max_bytes: int) -> Raw:
    """Read a file or a folder. Raises DataError with one line on anything that is wrong with it."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder: check the path")
    if path.is_dir():
        from autonoise.data import folders, hub

        if hub.is_folder(path):
            return _read_hub(path, request, max_bytes)
        return folders.read(path, request, max_bytes)
    suffix = suffix_of(path)
    if suffix not in _READERS:
        raise DataError(
            f"{path}: cannot read {suffix or 'a file without extension'}: give .npz, .csv(.gz), .parquet, "
            ".jsonl(.gz), .pt, .safetensors, "
            ".ts, .tsv or a folder with one folder of pictures or clips per class"
        )
    check_size(path.stat().st_size, max_bytes, path)
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty: give a file with data in it")
    reader = importlib.import_module(f"autonoise.data.{_READERS[suffix]}")
    read_file: Callable[[Path, Request, int], Raw] = reader.read

    def read_checked() -> Raw:
        check_gzip(path)
        return read_file(path, request, max_bytes)

    return readable(read_checked, path)


def _read_hub(path: Path, request: Request, max_bytes: int) -> Raw:
    """A folder of Hugging Face datasets, by way of a file as every other data in memory."""
    from autonoise.data import hub, objects

    with tempfile.TemporaryDirectory() as folder:
        try:
            file = objects.store_collected(hub.load_folder(path, request.target), Path(folder))
        except AutonoiseError:
            raise
        except Exception as e:  # the library finds damage when the rows are used, and raises what it likes
            raise DataError(f"{path}: unreadable folder of Hugging Face datasets ({one_line(e)}): save it again") from e
        return read(file, replace(request, target=None), max_bytes)


def readable(action: Callable[[], T], path: Path) -> T:
    """Run ``action``; what a library raises on a broken file becomes one DataError that names the file."""
    try:
        return action()
    except MemoryError as e:
        raise DataError(f"{path}: reading it needs more memory than there is: give a sample of it") from e
    except BROKEN_FILE as e:
        if isinstance(e, UnicodeDecodeError):
            raise DataError(f"{path}: not a text in Unicode (byte {e.start}): save it as UTF-8") from e
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise DataError(
            f"{path}: unreadable ({reason}): check that the file is complete and of the type it claims"
        ) from e
