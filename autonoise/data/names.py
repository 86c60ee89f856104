"""How sources name the parts of an official split, the labels, and arrays of rows: one list of spellings for all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from autonoise.errors import DataError
from autonoise.types import Array

LABELS = ("label", "target", "class", "y")
"""Columns that hold the labels without being asked for; ``labels`` too, where there is none of these."""
_ROW_WORDS = frozenset({"x", "image", "images", "data", "input", "inputs", "features", "samples"})
_LABEL_WORDS = frozenset({"y", "labels", *LABELS, "targets"})
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


def label_columns(columns: Sequence[str], taken: Collection[str | None] = ()) -> list[str]:
    """Columns whose names say that they hold the labels; only where it is exactly one is it clear which."""
    free = {c: c.lower() for c in columns if c not in taken}
    found = [c for c, name in free.items() if name in LABELS]
    return found or [c for c, name in free.items() if name == "labels"]


def array_names(names: Iterable[str]) -> dict[str, str]:
    """The usual name of an array (``x``, ``x_train``, ``y_test`` ...) → the name under which it is stored.

    Empty where an array is called X. Else the names that others give to rows and labels are understood:
    ``train_images`` and ``train_labels`` (MedMNIST), ``data`` and ``labels``, ``train_x``, ``features_test`` ... Rows
    without any labels are not, nor two arrays that would get one name.
    """
    stored = {n.lower(): n for n in names}
    if any(n == "x" or n.startswith("x_") for n in stored):
        return {}
    found: dict[str, list[str]] = {}
    for lower, name in stored.items():
        for words, usual in ((_ROW_WORDS, "x"), (_LABEL_WORDS, "y")):
            suffix = _beside(lower, words)
            if suffix is not None and f"{usual}{suffix}" not in stored:
                found.setdefault(f"{usual}{suffix}", []).append(name)
    clear = {usual: same[0] for usual, same in found.items() if len(same) == 1}
    return clear if any(n.startswith("x") for n in clear) and any(n.startswith("y") for n in (*clear, *stored)) else {}


def _beside(name: str, words: Collection[str]) -> str | None:
    """What stands beside one of the words: ``_train`` in ``train_images`` and ``images_train``, else nothing.

    None where the name holds none of the words, or where something other than a part of a split stands beside it.
    """
    if name in words:
        return ""
    before, _, last = name.rpartition("_")
    first, _, after = name.partition("_")
    for word, part in ((last, before), (first, after)):
        if word in words and split_name(part) is not None:
            return f"_{part}"
    return None
