"""The progress of a search in a notebook: one HTML block, updated in place, without widgets."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from autonoise.study.observer import Lines, Observer, Progress, in_words, phase_in_words

PAUSE = 0.5
"""Seconds between two updates at least: each is sent to the browser, and kept in the notebook's file."""


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel, which can show HTML; a terminal's IPython cannot."""
    module = sys.modules.get("IPython")  # a kernel has imported it; nobody else needs it
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def observer_for(progress: bool | Observer) -> Observer:
    """The observer that is meant: the caller's own, a silent one, an HTML block in a notebook, or plain lines."""
    if isinstance(progress, Observer):
        return progress
    if not progress:
        return Observer()
    return NotebookProgress() if in_notebook() else Lines()


class NotebookProgress(Lines):
    """Lines are printed; where the search stands is one block of HTML that is updated.

    The block is made by IPython's ``display``; what a model prints is left as it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None
        self._last = -PAUSE
        self._shown = self._pending = ""
        self._phase: tuple[str, float] = ("", 0.0)

    def progress(self, progress: Progress) -> None:
        trying = "" if progress.done >= progress.total else progress.trying
        self._show(progress.done, progress.total, in_words(progress), trying)

    def phase(self, name: str, done: int, total: int) -> None:
        if name != self._phase[0] or not done:
            self._phase = (name, time.monotonic())
        self._show(done, total, phase_in_words(name, done, total, time.monotonic() - self._phase[1]), "")

    def close(self) -> None:
        self._send()

    def _show(self, done: int, total: int, text: str, trying: str) -> None:
        self._pending = block(done, total, text, trying)
        if time.monotonic() - self._last >= PAUSE or done >= total:
            self._send()

    def _send(self) -> None:
        if self._pending == self._shown:
            return
        from IPython.display import HTML, display

        self._shown, self._last = self._pending, time.monotonic()
        made = HTML(self._pending)
        if self._handle is None:
            self._handle = display(made, display_id=True)
        else:
            self._handle.update(made)


def block(done: int, total: int, text: str, trying: str) -> str:
    """The block: a bar, how far it is, what is being tried. All texts are escaped."""
    bar = f'<progress value="{done}" max="{max(total, 1)}" style="width: 16em"></progress>'
    second = f'<div style="opacity: 0.7">trying {html.escape(trying)}</div>' if trying else ""
    return f"<div><div>{bar} {done}/{total} {html.escape(text)}</div>{second}</div>"
