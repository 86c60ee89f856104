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
    stacked: bool = True
    """On a narrow screen each row becomes a block of its own; without it, the table has to fit as it is."""


@dataclass(frozen=True)
class Figure:
    """An SVG picture; ``alt`` says in words what it shows.

    ``screen``: "wide" or "narrow" for one of two forms of a picture, of which only the one that suits is shown.
    """

    svg: str
    alt: str
    caption: str = ""
    screen: Literal["", "wide", "narrow"] = ""


@dataclass(frozen=True)
class Told:
    """A step of a policy in words: what its technique does, how strongly it acts, how often and when; its source."""

    name: str
    what: str
    how: Sequence[str]
    source: str = ""


@dataclass(frozen=True)
class Import:
    """How to use the policy in one framework: code to copy, and a sentence; no code where it cannot be used there."""

    name: str
    code: str
    note: str = ""


@dataclass(frozen=True)
class Term:
    """A word of the report with its meaning."""

    word: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading. An empty one (no text, figure or table) is left out."""

    key: str
    title: str
    text: Sequence[str] = ()
    items: Sequence[str] = ()
    steps: Sequence[Told] = ()
    figures: Sequence[Figure] = ()
    examples: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    after: Sequence[str] = ()

    @property
    def filled(self) -> bool:
        return bool(self.text or self.items or self.steps or self.figures or self.tables)


@dataclass(frozen=True)
class Page:
    """A whole report. ``kind`` chooses the colour of the verdict: "better", "worse" or "none" (neither of them)."""

    title: str
    subtitle: str
    kind: str
    verdict: str
    sentence: str
    recommendation: str
    imports: Sequence[Import] = ()
    import_note: str = ""
    terms: Sequence[Term] = ()
    cautions: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
    created: str = ""
    version: str = ""
