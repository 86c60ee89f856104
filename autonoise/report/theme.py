"""Colours for a bright and for a dark screen: those of the page, and of the pictures in it."""

from __future__ import annotations

import re
from collections.abc import Mapping

DARK: Mapping[str, str] = {
    # paper, ink, small print, grid, axes
    "#ffffff": "#14181d",
    "#1f2933": "#e4e8ec",
    "#6b7480": "#a3adb8",
    "#5b6673": "#a3adb8",
    "#e4e7eb": "#2b333c",
    "#dfe3e8": "#2f3842",
    "#f5f7f9": "#1c2229",
    "#9aa5b1": "#5d6875",
    "#8b96a3": "#8b96a3",
    "#b4bcc6": "#5d6875",
    # contestants: no noise, found, preset, start
    "#5f6b7a": "#a9b4c0",
    "#0072b2": "#56b4e9",
    "#d55e00": "#f28f45",
    "#009e73": "#2fc79a",
    "#b3400b": "#ff9b75",
    # what noise has put into a text or a table, and taken out of it
    "#cfe6f7": "#17415f",
    "#fbdcd0": "#5c2c1c",
    "#b3400a": "#ff9b75",
}
"""Each colour of a picture or of the page on a bright screen → what takes its place on a dark one."""
_ONLY_ON_DARK_SCREENS = "@media screen and (prefers-color-scheme: dark)"
"""Paper stays bright, whatever the screen is."""


def variables() -> str:
    """The colours as variables of CSS: ``--c0072b2`` is #0072b2, or what takes its place."""
    bright = "".join(f"{_name(c)}:{c};" for c in DARK)
    dark = "".join(f"{_name(c)}:{d};" for c, d in DARK.items())
    return f":root{{{bright}}}\n{_ONLY_ON_DARK_SCREENS}{{:root{{{dark}}}}}"


def themed(svg: str) -> str:
    """A picture whose colours follow the screen, when it is shown as an image in a page.

    Only colours that stand in a style are replaced, so that the words in a picture stay what they are.
    """

    def style(found: re.Match[str]) -> str:
        return re.sub(r"#[0-9a-f]{6}\b", lambda c: f"var({_name(c[0])})" if c[0] in DARK else c[0], found[0])

    coloured = re.sub(r'style="[^"]*"', style, svg)
    return re.sub(r"(<svg\b[^>]*>)", rf"\1<style>{variables()}</style>", coloured, count=1)


def _name(colour: str) -> str:
    return f"--c{colour.removeprefix('#')}"
