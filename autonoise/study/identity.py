"""Which process is which: a process id alone is used again, after a reboot and in other containers."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def process_mark() -> str:
    """A text that names this process on this machine until its next start: boot, process namespace, id and start time.

    The start time is in clock ticks since the boot. Empty where there is no /proc (macOS, Windows).
    """
    boot, started = _boot(), _started(os.getpid())
    return f"{boot} {os.getpid()} {started}" if boot and started else ""


def surely_gone(mark: str) -> bool:
    """Whether the process of a mark has certainly ended; False where that cannot be told from here.

    A process of another machine, of an earlier boot or of another container's process namespace cannot be judged by
    its id.
    """
    boot, _, rest = mark.rpartition(" ")[0].rpartition(" ")
    if not boot or boot != _boot():
        return False
    return _started(int(rest)) != mark.rpartition(" ")[2]


def surely_there(mark: str) -> bool:
    """Whether the process of a mark certainly exists; False where that cannot be told from here."""
    return bool(mark) and mark.rpartition(" ")[0].rpartition(" ")[0] == _boot() and not surely_gone(mark)


def _boot() -> str:
    """This boot of this machine and this process namespace; empty where the system does not tell."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in clock ticks since the boot; empty where it has ended, also as a zombie."""
    try:
        # the second field is the program's name in brackets, which may itself hold spaces and brackets
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
