"""What reading did to a source: told once in the log, and kept with the data set to be shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("autonoise.data")
"""For what is told of the data but not kept as a note, such as a split that is given up."""
_notes_log = logging.getLogger("autonoise.data.notes")


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
            _notes_log.log(logging.WARNING if guess else logging.INFO, "%s: %s", self.where, sentence)


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep notes without logging them, where they are shown in another way."""
    with _silent(_notes_log):
        yield


@contextmanager
def told_already() -> Iterator[None]:
    """Log nothing about the data: for a process that was started by one which has read them and told it."""
    with _silent(log, _notes_log):
        yield


@contextmanager
def _silent(*loggers: logging.Logger) -> Iterator[None]:
    def drop(record: logging.LogRecord) -> bool:
        return False

    for logger in loggers:
        logger.addFilter(drop)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(drop)
