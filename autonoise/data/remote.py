"""Data at an address (``s3://...``, ``https://...``): copied to this machine by fsspec for as long as they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from autonoise.data.checks import check_size
from autonoise.errors import DataError, MissingExtraError, one_line


def is_address(source: str | Path) -> bool:
    """Whether a source is an address and no path."""
    return isinstance(source, str) and "://" in source


@contextmanager
def fetched(address: str, max_bytes: int) -> Iterator[Path]:
    """A copy of the file or folder at an address, gone after the block. Raises DataError or MissingExtraError."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError.of("fsspec", "remote", f"reading {shown(address)}") from None
    with tempfile.TemporaryDirectory(prefix="autonoise-data-") as folder:
        try:
            files, path = url_to_fs(address)
            place = Path(folder) / (path.rstrip("/").rpartition("/")[2] or "data")
            info = files.info(path)
            is_folder = info["type"] == "directory"
            size = files.du(path) if is_folder else info.get("size")
            if size is not None:
                check_size(int(size), max_bytes, shown(address))
            files.get(path, str(place), recursive=is_folder)
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(f"{shown(address)}: nothing is there: check the address") from None
        except ImportError as e:
            raise DataError(f"{shown(address)}: its kind of address needs a further package ({one_line(e)})") from None
        except Exception as e:
            # every kind of address brings its own errors
            raise DataError(f"{shown(address)}: cannot be fetched ({one_line(e)}): check the address") from None
        yield place


def shown(address: str) -> str:
    """The address without user, password and query, which may hold a key."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
