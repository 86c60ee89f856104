"""How every picture of a report looks, and turning a figure into SVG or PNG without a display."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from autonoise.errors import plain

WIDTH = 4.1
"""Width of a picture in inches (394 CSS pixels): two fit side by side on a desktop screen, and on a telephone's, which
one fills, its print does not shrink."""
INK, MUTED, GRID = "#1f2933", "#6b7480", "#e4e7eb"
_FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of a contestant; ``size``: of its marker, in points.

    Contestants differ in shape as well as in colour, for black-and-white print and for colour-blind readers.
    """

    colour: str
    marker: str
    line: str
    size: float


LOOKS: Mapping[str, Look] = {
    # colours of Okabe and Ito, which colour-blind readers can tell apart; the grey is darker than theirs
    "baseline": Look("#5f6b7a", "o", "--", 5.0),
    "preset": Look("#d55e00", "s", "-.", 4.6),
    "start": Look("#009e73", "^", ":", 4.8),
    "policy": Look("#0072b2", "D", "-", 5.2),
}

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "autonoise",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's settings while a picture is drawn and written; a dollar sign in a name begins no formula."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def panel(height: float, width: float = WIDTH) -> tuple[Canvas, Axes]:
    """An empty picture with one pair of axes; sizes in inches."""
    canvas = Canvas(figsize=(width, height), layout="constrained")
    return canvas, canvas.add_subplot()


def to_svg(canvas: Canvas) -> str:
    """The picture as SVG, whose text is set in a font that the reader's computer has."""
    buffer = io.StringIO()
    canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue().replace("'DejaVu Sans'", f"{_FONTS}, 'DejaVu Sans'")


def to_png(canvas: Canvas, *, width: int) -> bytes:
    """The picture as a PNG, ``width`` pixels wide."""
    FigureCanvasAgg(canvas)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=width / canvas.get_figwidth(), metadata={"Software": None})
    return buffer.getvalue()


def short(text: str, length: int = 26) -> str:
    """The text, cut to ``length`` characters: a long label would leave no room for the picture.

    Control characters are written out: a picture that holds them is no valid SVG.
    """
    text = plain(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def note(axes: Axes, text: str) -> None:
    """A title's second line, in small grey print."""
    axes.annotate(
        text,
        (0, 1),
        xytext=(0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        color=MUTED,
        fontsize=8,
    )
