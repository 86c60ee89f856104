"""What every process of a study needs: one thread, an end when its parent ends, and how to be stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

import torch

from autonoise.errors import StudyError


def one_thread() -> None:
    """One thread per process: two processes of one thread beat one of two."""
    torch.set_num_threads(1)


def die_with(parent: int) -> None:
    """End this process when its parent is gone (killed, too), so that nothing goes on computing unseen."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def limited(seconds: float | None, option: str) -> Iterator[None]:
    """Raise StudyError in the block once it has taken so many seconds; None: as long as it takes.

    By the system's alarm clock, which interrupts Python code and what waits (a lock, a socket), but no computation
    inside of a library, which is interrupted once it returns. Only the main thread has an alarm clock; elsewhere, and
    on Windows, nothing is limited.
    """
    if seconds is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: Any) -> None:
        while frame is not None:
            if "importlib" in frame.f_code.co_filename:
                # half a module would stay behind, and fail whoever needs it next
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                return
            frame = frame.f_back
        raise StudyError(f"took longer than {option} {seconds:g} s; give it more, or look for what hangs in --model")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Stop:
    """Becomes true once somebody wants the search to end after the running trial."""

    asked: bool = False
    deadline: float | None = None
    shared: Synchronized[float] | None = None
    _handlers: list[Any] = field(default_factory=list)

    def __call__(self) -> bool:
        return self.asked

    @property
    def late(self) -> bool:
        deadline = self.deadline if self.shared is None else self.shared.value
        return deadline is not None and time.time() > deadline


def _ends() -> list[signal.Signals]:
    """SIGTERM, and SIGHUP where there is one and it is not ignored."""
    closed = [s for s in signal.Signals if s.name == "SIGHUP" and signal.getsignal(s) is not signal.SIG_IGN]
    return [signal.SIGTERM, *closed]


@contextmanager
def ended_like_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt in the block, as Ctrl-C does: whoever catches it says how to go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {s: signal.signal(s, interrupt) for s in _ends()}
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


@contextmanager
def stop_on_interrupt(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """The first Ctrl-C (SIGTERM, SIGHUP of a closed terminal) asks to stop, the second does what it did before.

    A SIGHUP that is ignored (nohup) stays so. Outside the main thread: nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, *_ends())}

    def ask(number: int, frame: Any) -> None:
        stop.asked = True
        for s, handler in before.items():
            signal.signal(s, handler)
        # the terminal may be gone, and what is printed right now cannot be interrupted by another line
        with suppress(OSError, RuntimeError):
            say("stopping after what is running now; Ctrl-C again stops at once")

    for s in before:
        signal.signal(s, ask)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
