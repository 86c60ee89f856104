"""What a report is made of: sections of text, figures and tables, the same for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["", "good", "bad", "muted", "code", "strong"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, an interval or unit in small print, and ``tone``, which sets its colour or font."""

    text: str
    small: str = ""
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its heading.

    ``lead``: how many columns from the left hold text, the others hold numbers; ``wide``: all columns hold text.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    note: str = ""
    lead: int = 1
    wide: bool = False


@dataclass(frozen=True)
class Figure:
    """An SVG picture; ``alt`` says in words what it shows."""

    svg: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading. An empty one (no text, figure or table) is left out."""

    key: str
    title: str
    text: Sequence[str] = ()
    items: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    after: Sequence[str] = ()

    @property
    def filled(self) -> bool:
        return bool(self.text or self.items or self.figures or self.tables)


@dataclass(frozen=True)
class Page:
    """A whole report. ``kind`` chooses the colour of the verdict: "better", "worse" or "none" (neither of them)."""

    title: str
    subtitle: str
    kind: str
    verdict: str
    sentence: str
    recommendation: str
    usage: str
    usage_note: str
    cautions: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
    created: str = ""
    version: str = ""
