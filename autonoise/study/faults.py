"""Faults of the machine (memory, disk, database) in one line: what was seen, and what helps."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Iterable

from autonoise.errors import one_line
from autonoise.study.address import hidden

_MEMORY = re.compile(
    r"MemoryError|OutOfMemoryError|(can't|[Cc]annot) allocate memory|not enough memory|out of memory", re.A
)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
KEPT = "everything that was finished is kept"


def is_memory(told: str) -> bool:
    """Whether a fault in one line (``Kind: message``) says that memory ran out, the processor's or a device's."""
    return _MEMORY.search(told) is not None


def less_memory(workers: int) -> str:
    """What helps where memory ran out."""
    fewer = "run again with fewer --workers, or " if workers > 1 else "free memory and run again, or "
    return f"{fewer}search as another --study with fewer --train-rows"


def of_machine(fault: BaseException, *, workers: int = 1, url: str = "") -> str | None:
    """What a fault of the machine means and what helps, on one line; None for any other fault, a bug perhaps.

    ``workers``: processes that are at work, ``url``: the database's address, whose password is hidden.
    """
    told = one_line(fault)
    if is_memory(told):
        return f"memory ran out ({told}); {KEPT}: {less_memory(workers)}"
    if isinstance(fault, OSError) and fault.errno in _DISK:
        place = f"{fault.filename}: " if fault.filename else ""
        return f"{place}{fault.strerror}; {KEPT}: make room for it and run the same command again"
    if type(fault).__module__.startswith(("sqlalchemy", "optuna.exceptions")):
        origin: BaseException = fault
        while origin.__cause__ is not None and not hasattr(origin, "orig"):
            origin = origin.__cause__
        told = hidden(one_line(getattr(origin, "orig", None) or origin), url)
        return f"the storage of the trials refuses ({told}); {KEPT}: mend that and run the same command again"
    return None


def ended_by(codes: Iterable[int | None]) -> str:
    """How the first of several processes to end did so, by their exit codes: "was killed by signal 9 (SIGKILL) ..."."""
    # a broken pool ends the other processes itself, by SIGTERM
    bad = sorted((c for c in codes if c), key=lambda c: c == -signal.SIGTERM)
    if not bad:
        return "ended by itself"
    found = -bad[0]
    if found < 0:
        return f"ended with status {bad[0]}"
    name = next((s.name for s in signal.Signals if s == found), "an unknown one")
    why = ", which the system sends where memory runs out" if name == "SIGKILL" else ""
    return f"was killed by signal {found} ({name}){why}"
