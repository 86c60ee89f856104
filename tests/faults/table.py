"""The table of what was tried: its lines are printed, and make test-faults shows them."""

from __future__ import annotations

import sys


def row(fault: str, times: int, lost: int, seconds: float | None) -> None:
    """``lost``: finished trials that were no longer there. ``seconds``: until the search was at work again."""
    shown = "-" if seconds is None else f"{seconds:.1f} s"
    sys.stdout.write(f"\n| {fault} | {times} | {lost} | {shown} |\n")
