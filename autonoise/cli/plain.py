"""Text of the user's data made safe to print; it needs no package, so that a missing one can be told."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters except tab and line feed, and the marks that reverse the direction of writing."""


def plain(text: str) -> str:
    r"""The text with control characters written out (an escape as \x1b).

    Names of files and columns come from the user's data: none of them may move the cursor or change colours.
    """
    return _CONTROL.sub(lambda m: ascii(m[0])[1:-1], text)
