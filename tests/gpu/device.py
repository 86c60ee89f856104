"""The device that these tests run on, and what they have in common.

``AUTONOISE_TEST_DEVICE`` names it, by default cuda. With cpu the same tests run where there is no GPU: they say little
then, but show that they themselves work.
"""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

DEVICE = torch.device(os.environ.get("AUTONOISE_TEST_DEVICE", "cuda"))
ON_GPU = DEVICE.type != "cpu"
if DEVICE.type == "cuda" and not torch.cuda.is_available():
    # whole files at once: they hold more than a thousand tests
    pytest.skip("there is no GPU that torch can use here", allow_module_level=True)
marks = [
    # torch names each operation that has no deterministic form; where it matters, results are compared
    pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*[Dd]eterministic.*:UserWarning"),
]
REPORT = os.environ.get("AUTONOISE_SYNC_REPORT", "")
"""A file to which each place that waits for the GPU is appended, if it is named."""


@contextmanager
def exact() -> Iterator[None]:
    """Sums in the same order each time: a GPU adds in the order in which its threads come."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    filling, torch.utils.deterministic.fill_uninitialized_memory = (  # type: ignore[attr-defined]
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        False,
    )
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]


@contextmanager
def watching(found: list[str]) -> Iterator[None]:
    """Collect where something inside waits for the GPU, as "file.py:line", by torch's own debug mode."""
    if DEVICE.type != "cuda":
        yield
        return

    def note(message: Warning | str, _kind: object, filename: str, line: int, *_: object) -> None:
        if "synchronizing CUDA operation" not in str(message):
            return
        # the innermost line of this package, or else whose line it is
        ours = [f for f in traceback.extract_stack() if "/autonoise/" in f.filename]
        name, number = (ours[-1].filename, ours[-1].lineno) if ours else (filename, line)
        place = f"{'/'.join(Path(name).parts[-2:])}:{number}"
        if place not in found:
            found.append(place)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note  # type: ignore[assignment]
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


def report(about: str, found: list[str]) -> None:
    """Append one line to the report of what waits for the GPU."""
    if REPORT and found:
        with open(REPORT, "a", encoding="utf-8") as file:
            file.write(f"{about}: {', '.join(found)}\n")
