"""A page that is drawn on from the top, in inches: nothing is clipped, since everything knows how large it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from autonoise.errors import plain
from autonoise.pictures.glyphs import UNKNOWN, families, width
from autonoise.pictures.values import Examples
from autonoise.pictures.words import point, shares, step_line, title

MARGIN = 0.3
"""Margin of a picture at its sides, in inches."""
INK, MUTED, GRID, CLEAN, NOISY = "#1f2933", "#5f6b7a", "#e4e7eb", "#8b96a3", "#0072b2"
ADDED, REMOVED, GONE = "#cfe6f7", "#fbdcd0", "#b3400a"
"""Backgrounds of what the noise has put in and taken out, and the ink of the latter."""
MONO = 0.602
"""Width of a character of DejaVu Sans Mono, as a share of its size."""
_STYLE = {
    "font.family": "DejaVu Sans",
    "text.parse_math": False,
    "axes.edgecolor": "#9aa5b1",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

Draw = Callable[["Page", float], None]
"""Draws on a page, from so many inches below its top on."""


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings while a page is drawn; a dollar sign in a name begins no formula."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


class Page:
    """A figure of a fixed size; places are in inches from its left and its top edge, sizes of type in points."""

    def __init__(self, wide: float, high: float) -> None:
        self.width, self.height = wide, high
        self.figure = Figure(figsize=(wide, high))
        FigureCanvasAgg(self.figure)
        self.lost = False
        """Whether a letter had to be replaced, since no font has it."""

    def axes(self, left: float, top: float, wide: float, high: float) -> Axes:
        box = (left / self.width, 1 - (top + high) / self.height, wide / self.width, high / self.height)
        return self.figure.add_axes(box)

    def text(self, left: float, top: float, text: str, *, size: float = 8.5, mono: bool = False, **how: Any) -> None:
        """A line of text, control characters written out; ``top`` is the top of its line."""
        shown, fonts = families(plain(text), mono=mono)
        self.lost = self.lost or UNKNOWN in shown
        x, y = left / self.width, 1 - top / self.height
        how = {"color": INK, "ha": "left", "va": "top", **how}
        self.figure.text(x, y, shown, fontsize=size, family=fonts, parse_math=False, **how)

    def box(self, left: float, top: float, wide: float, high: float, colour: str) -> None:
        corner = (left / self.width, 1 - (top + high) / self.height)
        patch = Rectangle(
            corner, wide / self.width, high / self.height, transform=self.figure.transFigure, color=colour, lw=0
        )
        self.figure.add_artist(patch)

    def line(self, left: float, top: float, right: float, colour: str, thick: float = 0.6) -> None:
        """A horizontal line."""
        y = 1 - top / self.height
        ends = (left / self.width, right / self.width)
        self.figure.add_artist(Line2D(ends, (y, y), color=colour, lw=thick, transform=self.figure.transFigure))


def wrapped(text: str, inches: float, size: float = 8.5, indent: str = "") -> list[str]:
    """The text in lines that fit into a width, all but the first indented."""
    out: list[str] = []
    for word in plain(text).split():
        longer = f"{out[-1]} {word}" if out else word
        if not out or width(longer, size) > inches:
            out.append(fitted((indent if out else "") + word, inches, size, spaces=True))
        else:
            out[-1] = longer
    return out or [""]


def fitted(text: str, inches: float, size: float = 8.5, *, bold: bool = False, spaces: bool = False) -> str:
    """The text in one line, cut off where it would not fit into a width. ``spaces``: keep them as they are."""
    text = plain(text) if spaces else " ".join(plain(text).split())
    if width(text, size, bold=bold) <= inches:
        return text
    # the longest beginning that fits, found by halving
    low, high = 0, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        fits = width(f"{text[:middle].rstrip()}…", size, bold=bold) <= inches
        low, high = (middle, high) if fits else (low, middle - 1)
    return f"{text[:low].rstrip()}…"


LINE = 0.165
"""Height of a line of small print, in inches."""


def compose(e: Examples, body: Callable[[Examples, float], tuple[float, Draw]], *, frame: bool, width: float) -> Figure:
    """The picture of examples, ``width`` inches wide: a title, what ``body`` draws, and all steps in words."""
    inside = width - 2 * MARGIN
    with style():
        height, draw = body(e, inside)
        below = _notes(e, inside) if frame else []
        told = wrapped(shares(e), inside) if frame else []
        above = MARGIN + (0.35 + LINE * len(told) if frame else 0)
        page = Page(width, above + height + (0.25 + LINE * len(below) if below else 0) + MARGIN)
        if frame:
            page.text(MARGIN, MARGIN - 0.08, fitted(title(e), inside, 12, bold=True), size=12, weight="bold")
            for number, line in enumerate(told):
                page.text(MARGIN, MARGIN + 0.17 + number * LINE, line, color=MUTED)
        draw(page, above)
        top = above + height + 0.25
        if below:
            page.line(MARGIN, top - 0.12, width - MARGIN, GRID, 0.8)
        for text, bold in below:
            page.text(MARGIN, top, text, size=8, weight="bold" if bold else "normal")
            top += LINE
        if page.lost:
            note = f"{UNKNOWN}: a letter that no font of this computer has; printed as text it is there"
            page.text(width - MARGIN, page.height - MARGIN + 0.06, note, size=7, color=MUTED, ha="right")
        return page.figure


def _notes(e: Examples, inside: float) -> list[tuple[str, bool]]:
    """Lines below the picture, each with whether it is a heading."""
    points = " → ".join(map(point, e.at))
    out: list[tuple[str, bool]] = []
    for seen, heading in ((True, "Steps seen above"), (False, "Steps not to be seen in the input")):
        steps = [s for s in e.steps if s.seen is seen]
        if steps:
            out += [(f"{heading} (strength at {points})", True)]
        for s in steps:
            text = step_line(s, e.at) + ("" if seen else f" — {s.what[:1].lower()}{s.what[1:]}")
            out += [(line, False) for line in wrapped(text, inside, 8, "    ")]
    return out


def written(figure: Figure, kind: str, dots: int) -> bytes:
    """A figure as the bytes of a PNG, SVG or PDF, the same bytes each time."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None}}.get(kind)
    with mpl.rc_context({"svg.hashsalt": "autonoise"}):
        figure.savefig(buffer, format=kind, dpi=dots, metadata=metadata or {"Software": None})
    return buffer.getvalue()
