"""How the parts of an official split are named: one list of spellings for folders, columns, arrays and mappings."""

from __future__ import annotations

import re

import numpy as np

from autonoise.errors import DataError
from autonoise.types import Array

_SPLIT_WORDS = {
    "train": ("train", "training", "trn", "trainset", "trainingset"),
    "valid": ("valid", "val", "validation", "validate", "dev", "development", "eval", "evaluation", "devset", "valset",
              "validset", "validationset", "evalset"),
    "test": ("test", "testing", "tst", "testset", "testingset"),
}  # fmt: skip
SPLIT_NAMES = {word: part for part, words in _SPLIT_WORDS.items() for word in words}


def split_name(word: str, *, words: bool = False) -> str | None:
    """The part "train", "valid" or "test" for any usual spelling (``Training``, ``test_set``, ``val-data``), else None.

    ``words``: also a longer name of which exactly one word is such a name (``seg_train``, ``images-val``).
    """
    tokens = [t for t in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", word.strip()) if t]
    tokens = [t.lower() for t in tokens]
    if len(tokens) > 1 and tokens[-1] in ("set", "data", "split", "part"):
        tokens = tokens[:-1]
    parts = [SPLIT_NAMES[t] for t in tokens if t in SPLIT_NAMES]
    return parts[0] if len(parts) == 1 and (words or len(tokens) == 1) else None


def split_names(values: Array, where: str) -> Array:
    """Canonical "train", "valid", "test" (N,) from a column of split names, or DataError."""
    names = [split_name(str(v)) for v in values]
    if None in names:
        raise DataError(
            f"{where}: split column holds {str(values[names.index(None)])!r}: use train, valid and test, "
            "or rename the column if it is a feature"
        )
    out = np.array([str(v) for v in names])
    if not (out == "train").any():
        raise DataError(f"{where}: the split has no train rows: mark some rows as train")
    return out
