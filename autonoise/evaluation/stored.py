"""Corrupted rows on disk: each set is made once in a study, and all its processes read it, memory-mapped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from autonoise.batches.mappings import tensors_of
from autonoise.types import Array, Batch

try:
    import fcntl
except ImportError:  # Windows: two processes may then make the same set, and the later one replaces an equal file
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")

MOST_BYTES = 8 << 30
"""Bytes (8 GiB) on disk at most that the corrupted rows of one study take."""
SHARE_OF_FREE = 0.1
"""Share of the free disk at most that they take; it is looked up when a process opens the folder."""


class StoredSets:
    """A folder of corrupted rows. ``identity`` tells the data and their preparation apart, see :meth:`of`.

    What does not fit into the bound, or cannot be written, is handed out all the same, and made anew the next time.
    """

    def __init__(self, folder: Path, identity: str = "", limit: int | None = None) -> None:
        self.folder, self.identity = folder, identity
        if limit is None:
            folder.mkdir(parents=True, exist_ok=True)
            limit = min(MOST_BYTES, int(SHARE_OF_FREE * shutil.disk_usage(folder).free))
        self.limit = limit

    def of(self, *words: object) -> StoredSets:
        """The same folder for other data or another preparation: everything that decides the prepared rows."""
        return StoredSets(self.folder, _digest(self.identity, *words), self.limit)

    def array(self, words: tuple[object, ...], make: Callable[[], Array]) -> Array:
        """The array that ``make`` returns for ``words``, from disk where it has been made before.

        It can be written to; changes stay in this process's memory.
        """
        return self._get(
            self.folder / f"{_digest(self.identity, *words)}.npy",
            make,
            lambda value: value.nbytes,
            lambda path: np.load(path, mmap_mode="c", allow_pickle=False),
            _save_array,
        )

    def batch(self, words: tuple[object, ...], make: Callable[[], Batch]) -> Batch:
        """Likewise for tensors, or a mapping of them, on the CPU."""
        return self._get(
            self.folder / f"{_digest(self.identity, *words)}.pt",
            make,
            lambda value: sum(t.numel() * t.element_size() for t in tensors_of(value)),
            _load_batch,
            _save_batch,
        )

    def _get(
        self,
        path: Path,
        make: Callable[[], T],
        size: Callable[[T], int],
        load: Callable[[Path], T],
        save: Callable[[Path, T], None],
    ) -> T:
        found = _loaded(path, load)
        if found is not None:
            return found
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _alone(path.with_suffix(".lock")):
                found = _loaded(path, load)  # another process may have made it meanwhile
                if found is not None:
                    return found
                made = make()
                if self._taken() + size(made) <= self.limit:
                    half = path.with_name(f"{path.stem}.{os.getpid()}.half")
                    try:
                        save(half, made)
                        half.replace(path)
                    finally:
                        half.unlink(missing_ok=True)
                return made
        except OSError:
            return make()  # a full disk costs time only

    def _taken(self) -> int:
        with suppress(OSError):
            return sum(e.stat().st_size for e in os.scandir(self.folder))
        return 0


def _digest(*words: object) -> str:
    return hashlib.sha256(json.dumps([str(w) for w in words]).encode()).hexdigest()[:32]


def _loaded(path: Path, load: Callable[[Path], T]) -> T | None:
    """None where the file is missing, or is none of ours."""
    if not path.exists():
        return None
    try:
        return load(path)
    except Exception:  # whatever is wrong with it, the rows are made again
        return None


def _save_array(path: Path, value: Array) -> None:
    with path.open("wb") as f:
        np.save(f, value, allow_pickle=False)


def _load_batch(path: Path) -> Batch:
    batch: Batch = torch.load(path, mmap=True, weights_only=True)
    return batch


def _save_batch(path: Path, value: Batch) -> None:
    torch.save(value if isinstance(value, torch.Tensor) else dict(value), path)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; a process that is killed gives the lock back."""
    if fcntl is None:
        yield
        return
    with lock.open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield
