"""What reading did to a source: told once in the log, and kept with the data set to be shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger("autonoise.data")


class Notes(list[str]):
    """Short sentences on what was converted, left out or guessed while reading ``where``.

    Each one is logged when it is added: as a warning if it is a guess that changes numbers, else as information.
    """

    def __init__(self, where: str = "") -> None:
        super().__init__()
        self.where = where

    def tell(self, sentence: str, *, guess: bool = False) -> None:
        """Keep one sentence (without the name of the source) and log it, once."""
        if sentence not in self:
            self.append(sentence)
            _log.log(logging.WARNING if guess else logging.INFO, "%s: %s", self.where, sentence)


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep notes without logging them, where they are shown in another way or were told by another process."""

    def drop(record: logging.LogRecord) -> bool:
        return False

    _log.addFilter(drop)
    try:
        yield
    finally:
        _log.removeFilter(drop)
