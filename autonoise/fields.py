"""The fields of an input description, from whatever numbers, lists and arrays a user has at hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from autonoise.errors import AttachError

_COLUMNS = ("numeric", "onehot", "codes", "flags")
_REAL = ("mean", "std")
_SINGLE = ("classes", "pad_id", "mask_id", "unk_id", "vocabulary_size", "sample_rate")


def coerced(name: str, value: Any) -> Any:
    """A field of an InputSpec in its own form: a whole number, or a tuple (of tuples) of numbers."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if name in _SINGLE:
        return None if value is None and name != "classes" else _number(name, value)
    if name == "names":
        return _texts(value)
    if name in ("onehot", "flags"):
        groups = tuple(_numbers(name, group) for group in _listed(name, value))
        if name == "flags" and any(len(pair) != 2 for pair in groups):
            raise AttachError(f"input: flags must be pairs (flag column, column it speaks of), but got {groups!r:.80}")
        return groups
    return _numbers(name, [value] if isinstance(value, int | float) else value)


def _texts(value: Any) -> tuple[str, ...]:
    """Different names of columns, from a list or an index of pandas."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise AttachError(f"input: names must be a list of texts, but got {value!r:.80}")
    names = tuple(v if isinstance(v, str) else str(v) for v in value)
    twice = next((n for i, n in enumerate(names) if n in names[:i]), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise AttachError(f"input: the name {twice!r:.80} stands for two columns: rename one")
    return names


def _listed(name: str, value: Any) -> list[Any]:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise AttachError(f"input: {name} must be a list of numbers, but got {value!r:.80}")
    return sorted(value) if isinstance(value, set | frozenset) else list(value)


def _numbers(name: str, value: Any) -> tuple[Any, ...]:
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(_number(name, v) for v in _listed(name, value))


def _number(name: str, value: Any) -> float | int:
    value = value.item() if hasattr(value, "item") else value
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    least = {"std": 0, "layout": 1, "classes": 0}.get(name, 0 if name in _COLUMNS else -math.inf)
    if not real or (name not in _REAL and value != int(value)) or value < least or (name == "std" and value == 0):
        what = "a finite number" if name in _REAL else "a whole number"
        rule = {"std": " above 0", "layout": " >= 1"}.get(name, " >= 0" if least == 0 else "")
        raise AttachError(f"input: {name} must be {what}{rule}, but got {value!r:.80}")
    return float(value) if name in _REAL else int(value)
