"""Text corruptions that no search sees. Amounts are fractions of the characters, words or tokens."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.misspellings import misspelled
from autonoise.corruptions.rows import stochastic_round
from autonoise.types import DataType, Family

Texts = list[str]
_held_out = partial(corruption, data_type=DataType.TEXT, group="held_out", log=True)

_OCR = {
    "rn": "m",
    "cl": "d",
    "vv": "w",
    "m": "rn",
    "d": "cl",
    "w": "vv",
    "l": "1I",
    "1": "lI",
    "I": "l1",
    "i": "lj",
    "o": "0",
    "O": "0",
    "0": "O",
    "e": "c",
    "c": "e",
    "h": "b",
    "b": "h6",
    "t": "f",
    "f": "t",
    "n": "ri",
    "u": "ii",
    "a": "o",
    "y": "v",
    "v": "y",
    "s": "5",
    "S": "5",
    "5": "S",
    "B": "8",
    "8": "B",
    "g": "9q",
    "q": "g9",
    "z": "2",
    "Z": "2",
    "2": "Z",
    "G": "6",
    "6": "b",
    "D": "O",
    "E": "F",
    "R": "K",
    "T": "I",
    "p": "n",
    "k": "lc",
}
_WHOLE = {"m", "d", "w", "n", "u", "k"}
"""Characters that are misread as all of their look-alike together, not as one letter out of it."""
_OCR_PATTERN = re.compile("|".join(sorted(map(re.escape, _OCR), key=len, reverse=True)))

_LOOKALIKES = {
    "a": "а4@",
    "b": "Ь8",
    "c": "сϲ",
    "e": "е3",
    "g": "ɡ9",
    "h": "һ",
    "i": "і1",
    "j": "ј",
    "l": "ӏ1",
    "o": "о0",
    "p": "р",
    "s": "ѕ5$",
    "t": "т7",
    "x": "х",
    "y": "у",
    "z": "2",
    "A": "А4",
    "B": "В8",
    "C": "С",
    "E": "Е3",
    "H": "Н",
    "I": "І1",
    "K": "К",
    "M": "М",
    "N": "Ν",
    "O": "О0",
    "P": "Р",
    "S": "Ѕ5",
    "T": "Т7",
    "X": "Х",
    "Y": "Υ",
    "Z": "Ζ2",
}
_WORD = re.compile(r"[^\W\d_]{2,}")


def _pick(options: str, rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]


@_held_out(
    family=Family.CHARACTER_CONFUSION,
    severities=(0.02, 0.04, 0.07, 0.11, 0.16),
    mildest=0.004,
    harshest=0.8,
    unit="fraction of the characters that can be misread",
    reference="Ma 2019, nlpaug",
)
def ocr_confusion(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Misread characters as a scanner does: rn and m, cl and d, l and 1, O and 0."""

    def read(match: re.Match[str]) -> str:
        seen = match[0]
        if rng.random() >= amount:
            return seen
        return _OCR[seen] if seen in _WHOLE else _pick(_OCR[seen], rng)

    return [_OCR_PATTERN.sub(read, text) for text in rows]


@_held_out(
    family=Family.CHARACTER_CONFUSION,
    severities=(0.03, 0.06, 0.11, 0.18, 0.26),
    mildest=0.004,
    harshest=0.95,
    unit="fraction of the letters that have a look-alike",
    reference="Eger et al. 2019, VIPER",
)
def homoglyph_leet(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Replace letters by Cyrillic or Greek look-alikes or by the digits of leet speech."""
    out = []
    for text in rows:
        hit = rng.random(len(text)) < amount
        out.append(
            "".join(_pick(_LOOKALIKES[c], rng) if h and c in _LOOKALIKES else c for c, h in zip(text, hit, strict=True))
        )
    return out


@_held_out(
    family=Family.SPACING,
    severities=(0.03, 0.07, 0.13, 0.2, 0.3),
    mildest=0.01,
    harshest=1.0,
    unit="fraction of tokens",
    reference="Ribeiro et al. 2020, CheckList",
)
def whitespace(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Split a token at a random place, or join it to the next one."""
    out = []
    for text in rows:
        parts = re.split(r"(\s+)", text)
        for i in range(0, len(parts), 2):
            if rng.random() >= amount:
                continue
            joinable, token = 0 < i + 1 < len(parts) - 1, parts[i]
            if len(token) > 1 and (not joinable or rng.random() < 0.5):
                cut = int(rng.integers(1, len(token)))
                parts[i] = f"{token[:cut]} {token[cut:]}"
            elif joinable:
                parts[i + 1] = ""
        out.append("".join(parts))
    return out


@_held_out(
    family=Family.DISTRACTOR,
    severities=(0.1, 0.25, 0.4, 0.6, 0.85),
    mildest=0.03,
    harshest=4.0,
    unit="added tokens per token",
    reference="Jia & Liang 2017",
)
def distractor(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Put a stretch of training texts before or after the text, this fraction of its length."""
    texts = [tokens for text in reference.texts if (tokens := text.split())]
    if not texts:
        return list(rows)
    out = []
    for text in rows:
        length = stochastic_round(np.array([amount * max(1, len(text.split()))]), rng)[0]
        if length == 0:
            out.append(text)
            continue
        added: list[str] = []
        while len(added) < length:
            source = texts[rng.integers(len(texts))]
            start = int(rng.integers(max(1, len(source) - int(length) + 1)))
            added += source[start : start + int(length) - len(added)]
        halves = (" ".join(added), text) if rng.random() < 0.5 else (text, " ".join(added))
        out.append(" ".join(half for half in halves if half))
    return out


@_held_out(
    family=Family.TRUNCATION,
    severities=(0.1, 0.2, 0.3, 0.4, 0.55),
    mildest=0.02,
    harshest=0.95,
    unit="fraction of tokens",
)
def truncation(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Cut this fraction of the tokens off the end; at least one stays."""
    out = []
    for text in rows:
        tokens = text.split()
        cut = stochastic_round(np.array([amount * len(tokens)]), rng)[0]
        out.append(" ".join(tokens[: max(1, len(tokens) - cut)]) if cut else text)
    return out


@_held_out(
    family=Family.CHARACTER_CONFUSION,
    severities=(0.05, 0.1, 0.2, 0.35, 0.5),
    mildest=0.01,
    harshest=1.0,
    unit="fraction of words",
    near=(Family.CHARACTER_EDIT,),
)
def misspelling(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Spell words wrongly as people do, from a table of common English errors or by rule."""

    def write(match: re.Match[str]) -> str:
        return misspelled(match[0], rng) if rng.random() < amount else match[0]

    return [_WORD.sub(write, text) for text in rows]
