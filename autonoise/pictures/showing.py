"""Examples as a figure, and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autonoise.pictures.values import Examples, kind_of
from autonoise.pictures.words import step_lines, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(examples: Examples, *, frame: bool = True, width: float = 8.0) -> Figure:
    """The picture, ``width`` inches wide. ``frame``: with a title above, and all steps in words below."""
    from autonoise.pictures.page import compose

    return compose(examples, kind_of(examples.data_type).body, frame=frame, width=width)


def lines(examples: Examples) -> list[str]:
    """The same in words for a terminal: rows with marks at what is changed, then the steps."""
    return [title(examples), *kind_of(examples.data_type).lines(examples), "", *step_lines(examples)]
