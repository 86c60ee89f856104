"""What pictures of several data types share: the heads of their columns, and rows in words for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autonoise.pictures.values import Examples
from autonoise.pictures.words import headline, point


def heads(page: Any, e: Examples, top: float, lefts: Sequence[float], width: float, *, clean: bool = True) -> None:
    """The heads of the columns: clean, then the points of the schedule."""
    from autonoise.pictures.page import fitted

    names = [*(["clean"] if clean else []), *map(headline, e.at)]
    for left, name in zip(lefts, names, strict=True):
        page.text(left, top, fitted(name, width - 0.05, 8.5), size=8.5, weight="bold")


def summary(e: Examples, where: str, label_line: Callable[..., str]) -> list[str]:
    """A line for each row: its label, and at which points it changes."""
    out = [where]
    for row in e.rows:
        points = ", ".join(point(t) for t, c in zip(e.at, row.changed, strict=True) if c)
        out.append(f"row {row.number}  {label_line(row.label, row.labels, e.at)}  (changed: {points or 'never'})")
    return out
