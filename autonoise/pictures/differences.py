"""What was put in and taken out between two texts, found word by word, and inside a word letter by letter."""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ALIKE = 0.5
"""Two words share at least this much of their letters when one counts as the other mistyped."""

_MARKS = re.escape(string.punctuation)


@dataclass(frozen=True)
class Piece:
    """A stretch of text that both have (``same``), or that the noise has ``added`` or ``removed``."""

    text: str
    kind: Literal["same", "added", "removed"]


def words_of(text: str) -> list[str]:
    """Words, single marks and stretches of white space; joined again they are the text."""
    return re.findall(rf"\s+|[{_MARKS}]|[^\s{_MARKS}]+", text)


def difference(before: Sequence[str], after: Sequence[str], *, letters: bool) -> list[Piece]:
    """Pieces of ``after`` and what it lacks of ``before``; ``letters``: look inside words that are like each other."""
    out: list[Piece] = []
    for op, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old, new = list(before[a:b]), list(after[c:d])
        if op == "equal":
            out.append(Piece("".join(new), "same"))
        elif letters and len(old) == len(new):
            for x, y in zip(old, new, strict=True):
                out += _inside(x, y)
        else:
            out += [Piece("".join(old), "removed"), Piece("".join(new), "added")]
    return _joined(out)


def _inside(old: str, new: str) -> list[Piece]:
    if old == new:
        return [Piece(new, "same")]
    match = difflib.SequenceMatcher(None, old, new, autojunk=False)
    if match.ratio() < ALIKE:
        return [Piece(old, "removed"), Piece(new, "added")]
    out: list[Piece] = []
    for op, a, b, c, d in match.get_opcodes():
        out += [Piece(new[c:d], "same")] if op == "equal" else [Piece(old[a:b], "removed"), Piece(new[c:d], "added")]
    return out


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    out: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if out and out[-1].kind == piece.kind:
            out[-1] = Piece(out[-1].text + piece.text, piece.kind)
        else:
            out.append(piece)
    return out


def marked(pieces: Sequence[Piece]) -> str:
    """For a terminal: ``[-taken out-]`` and ``{+put in+}``, the marks by which git shows changed words."""
    marks = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    return "".join(f"{marks[p.kind][0]}{p.text}{marks[p.kind][1]}" for p in pieces)
