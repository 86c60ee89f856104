"""Names and messages from outside, for places that read markup: they are shown as text."""

from __future__ import annotations

import html
import re

_MARKS = re.compile(r"([\\`*_\[\]<>#|~$&!])")


def printable(text: object) -> str:
    """One line without control characters, which could reorder or hide what stands beside them."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def in_markdown(text: object) -> str:
    """Text for a Markdown note: no link, picture, formula, table cell or HTML begins or ends in it."""
    return _MARKS.sub(r"\\\1", printable(text))


def in_graph(text: object) -> str:
    """Text for a label of plotly, which takes some HTML for formatting."""
    return html.escape(printable(text))
