"""What every process of a study needs: one thread, an end when its parent ends, and how to be stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

import torch


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


@contextmanager
def stop_on_interrupt(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) asks to stop, the second kills as usual. Outside the main thread: nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        stop.asked = True
        for s, handler in before.items():
            signal.signal(s, handler)
        say("stopping after what is running now; Ctrl-C again stops at once")

    for s in before:
        signal.signal(s, ask)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
