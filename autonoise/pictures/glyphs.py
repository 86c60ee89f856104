"""Fonts for the letters of the data: what comes with matplotlib, then what the computer has for other scripts."""

from __future__ import annotations

import functools
import unicodedata

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

UNKNOWN = "\u25a1"
"""Drawn in place of a character that no font of the computer has."""
_WIDE = ("CJK", "Noto Sans", "Arial Unicode", "Unifont", "WenQuanYi", "Droid Sans Fallback", "Hiragino", "Gothic")
"""Parts of the names of fonts with many scripts; opening every font of a computer would take seconds."""


@functools.lru_cache(maxsize=64)
def _letters(name: str) -> frozenset[int]:
    """Code points that a font has."""
    return frozenset(FT2Font(font_manager.findfont(name)).get_charmap())


@functools.lru_cache(maxsize=1)
def _others() -> tuple[str, ...]:
    names = {f.name for f in font_manager.fontManager.ttflist}
    return tuple(sorted(n for n in names if any(word in n for word in _WIDE)))


def families(text: str, *, mono: bool = False) -> tuple[str, list[str]]:
    """(the text with characters that cannot be drawn replaced, the fonts to draw it with)."""
    own = "DejaVu Sans Mono" if mono else "DejaVu Sans"
    fonts, lost = [own], {c for c in text if ord(c) not in _letters(own)} - {"\n", "\t"}
    for name in _others() if lost else ():
        found = {c for c in lost if ord(c) in _letters(name)}
        if found:
            fonts.append(name)
            lost -= found
        if not lost:
            break
    return "".join(UNKNOWN if c in lost else c for c in text.replace("\t", " ")), fonts


@functools.lru_cache(maxsize=4096)
def width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line of text in inches, at a size in points; letters of other fonts count as wide ones."""
    font = _face("DejaVu Sans:bold" if bold else "DejaVu Sans")
    known = _letters("DejaVu Sans")
    font.set_size(size, 72)
    font.set_text("".join(c if ord(c) in known else "W" for c in text), 0.0)
    return float(font.get_width_height()[0]) / 64 / 72


@functools.lru_cache(maxsize=4)
def _face(name: str) -> FT2Font:
    return FT2Font(font_manager.findfont(name))


def columns(character: str) -> int:
    """How many columns of a fixed-width font a character takes: two for those of East Asia, none for accents."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
