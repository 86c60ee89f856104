"""Text corruptions that a search may see. Amounts are fractions of the characters or of the tokens."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.rows import stochastic_round
from autonoise.types import DataType, Family

Texts = list[str]
_search = partial(corruption, data_type=DataType.TEXT, group="search", log=True)

_KEYBOARD = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@lru_cache(maxsize=1)
def _neighbours() -> dict[str, str]:
    """Keys that touch each key: beside it, and above or below it (each row is shifted by half a key)."""
    near: dict[str, str] = {}
    for r, row in enumerate(_KEYBOARD):
        for c, key in enumerate(row):
            spots = [(r, c - 1), (r, c + 1), (r - 1, c), (r - 1, c + 1), (r + 1, c - 1), (r + 1, c)]
            near[key] = "".join(
                _KEYBOARD[y][x] for y, x in spots if 0 <= y < len(_KEYBOARD) and 0 <= x < len(_KEYBOARD[y])
            )
    return near


@_search(
    family=Family.CHARACTER_EDIT,
    severities=(0.01, 0.02, 0.04, 0.07, 0.11),
    mildest=0.002,
    harshest=0.6,
    unit="fraction of letters and digits",
    reference="Belinkov & Bisk 2018",
)
def keyboard_typos(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Replace letters and digits by a neighbour on the QWERTY keyboard."""
    near = _neighbours()
    out = []
    for text in rows:
        letters = list(text)
        for i in np.flatnonzero(rng.random(len(text)) < amount):
            keys = near.get(text[i].lower())
            if keys:
                key = keys[rng.integers(len(keys))]
                letters[i] = key.upper() if text[i].isupper() else key
        out.append("".join(letters))
    return out


@_search(
    family=Family.CHARACTER_EDIT,
    severities=(0.01, 0.02, 0.04, 0.07, 0.11),
    mildest=0.002,
    harshest=0.6,
    unit="fraction of characters",
    reference="Pruthi et al. 2019",
)
def character_edits(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Delete, double with a random letter, replace or swap characters that are not white space."""
    out = []
    for text in rows:
        letters = list(text)
        for i in np.flatnonzero(rng.random(len(text)) < amount):
            if text[i].isspace():
                continue
            kind, letter = rng.integers(4), _LETTERS[rng.integers(26)]
            if kind == 3 and i + 1 < len(text) and not text[i + 1].isspace():
                letters[i], letters[i + 1] = letters[i + 1], letters[i]
            else:
                letters[i] = ("", letters[i] + letter, letter, letter)[kind]
        out.append("".join(letters))
    return out


@_search(
    family=Family.TOKEN_EDIT,
    severities=(0.05, 0.1, 0.2, 0.35, 0.5),
    mildest=0.01,
    harshest=0.95,
    unit="fraction of tokens",
    reference="Wei & Zou 2019, EDA",
)
def token_drop(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Delete tokens (split at white space); at least one stays."""
    out = []
    for text in rows:
        tokens = text.split()
        keep = rng.random(len(tokens)) >= amount
        if keep.all():
            out.append(text)
            continue
        if not keep.any():
            keep[rng.integers(len(tokens))] = True
        out.append(" ".join(t for t, kept in zip(tokens, keep, strict=True) if kept))
    return out


@_search(
    family=Family.TOKEN_EDIT,
    severities=(0.05, 0.1, 0.2, 0.35, 0.5),
    mildest=0.01,
    harshest=0.95,
    unit="fraction of tokens",
    reference="Xie et al. 2017",
)
def token_replacement(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Replace tokens by tokens drawn from the training texts, as often as they occur there."""
    vocabulary = [token for text in reference.texts for token in text.split()]
    if not vocabulary:
        return list(rows)
    out = []
    for text in rows:
        tokens = text.split()
        hit = np.flatnonzero(rng.random(len(tokens)) < amount)
        for i in hit:
            tokens[i] = vocabulary[rng.integers(len(vocabulary))]
        out.append(" ".join(tokens) if len(hit) else text)
    return out


@_search(
    family=Family.TOKEN_ORDER,
    severities=(0.1, 0.2, 0.4, 0.7, 1.0),
    mildest=0.02,
    harshest=1.0,
    unit="fraction of adjacent pairs",
    reference="Wei & Zou 2019, EDA",
)
def token_swap(rows: Texts, amount: float, rng: np.random.Generator, reference: Reference) -> Texts:
    """Cut the text into pairs of adjacent tokens and exchange this fraction of them."""
    out = []
    for text in rows:
        tokens = text.split()
        first = int(rng.integers(2)) if len(tokens) > 2 else 0
        starts = np.arange(first, len(tokens) - 1, 2)
        hit = rng.permutation(starts)[: stochastic_round(np.array([amount * len(starts)]), rng)[0]]
        for i in hit:
            tokens[i], tokens[i + 1] = tokens[i + 1], tokens[i]
        out.append(" ".join(tokens) if len(hit) else text)
    return out
