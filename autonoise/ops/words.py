"""Split strings into words and the white space between them."""

from __future__ import annotations

import math
import re

import numpy as np

MARKS = ".;?:!,"
"""The punctuation marks that techniques insert; they are those of the AEDA paper."""


def split_words(text: str) -> tuple[list[str], list[str]]:
    """Return words w and gaps g such that text = g0 w0 g1 w1 ... gn; the first and the last gap may be empty."""
    pieces = re.split(r"(\S+)", text)
    return pieces[1::2], pieces[::2]


def join_words(words: list[str], gaps: list[str]) -> str:
    """Join what :func:`split_words` returned."""
    return gaps[0] + "".join(word + gap for word, gap in zip(words, gaps[1:], strict=True))


def count_for(expected: float, rng: np.random.Generator) -> int:
    """Return a random whole number with the mean ``expected``.

    It is rounded up with the probability of the fractional part, and else down.
    """
    whole = math.floor(expected)
    return whole + int(rng.random() < expected - whole)
