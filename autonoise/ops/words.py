"""Split strings into words and the white space between them."""

from __future__ import annotations

import math
import re

MARKS = ".;?:!,"
"""The punctuation marks that techniques insert; they are those of the AEDA paper."""


def split_words(text: str) -> tuple[list[str], list[str]]:
    """Return words w and gaps g such that text = g0 w0 g1 w1 ... gn; the first and the last gap may be empty."""
    words = text.split()
    if words and " ".join(words) == text:  # the usual case, which needs no pattern
        return words, ["", *[" "] * (len(words) - 1), ""]
    pieces = re.split(r"(\S+)", text)
    return pieces[1::2], pieces[::2]


def join_words(words: list[str], gaps: list[str]) -> str:
    """Join what :func:`split_words` returned."""
    pieces = [""] * (2 * len(words) + 1)
    pieces[::2], pieces[1::2] = gaps, words
    return "".join(pieces)


def count_for(expected: float, draw: float) -> int:
    """Return a random whole number with the mean ``expected``, by a uniform ``draw`` in [0, 1).

    It is rounded up with the probability of the fractional part, and else down.
    """
    whole = math.floor(expected)
    return whole + int(draw < expected - whole)
