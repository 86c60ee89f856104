"""Strings as words and the white space between them."""

from __future__ import annotations

import math
import re

import numpy as np

MARKS = ".;?:!,"
"""The punctuation marks that techniques insert (those of AEDA)."""


def split_words(text: str) -> tuple[list[str], list[str]]:
    """Words w and gaps g, with text = g0 w0 g1 w1 ... gn; the outer gaps may be empty."""
    pieces = re.split(r"(\S+)", text)
    return pieces[1::2], pieces[::2]


def join_words(words: list[str], gaps: list[str]) -> str:
    """Inverse of :func:`split_words`."""
    return gaps[0] + "".join(word + gap for word, gap in zip(words, gaps[1:], strict=True))


def count_for(expected: float, rng: np.random.Generator) -> int:
    """A whole number whose mean is ``expected``: rounded up with the probability of the fractional part."""
    whole = math.floor(expected)
    return whole + int(rng.random() < expected - whole)
