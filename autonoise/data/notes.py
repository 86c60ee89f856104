"""What reading did to a source: told once in the log, and kept with the data set to be shown."""

from __future__ import annotations

import logging

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
