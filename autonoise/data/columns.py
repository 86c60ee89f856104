"""Columns of a table: which are numbers, categories, sentences or identifiers. Training rows alone decide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from autonoise.data import cells
from autonoise.data.base import refuse_infinite
from autonoise.errors import DataError
from autonoise.types import Array

MAX_CATEGORIES = 50
"""The commonest categories of a column get a one-hot column each; a rarer or unseen one is 0 in all of them."""
FEW = 20
"""A column of at most so many distinct strings holds categories, even where most of its few rows differ."""
SENTENCE_WORDS = 6
"""Mean number of words from which on the strings of a column are sentences; shorter ones may be names or titles."""
_ID_CAMEL = re.compile(r".*[a-z](?:Id|ID|Index|Key)$")
_ID_WORD = re.compile(r"(?:.*[\W_\d])?(?:id|idx|index|uuid|guid|rowid|rownum|key)", re.IGNORECASE)
_NAMELESS = re.compile(r"(?:Unnamed: .*|level_\d+|__index_level_\d+__|\s*)")
_TOKEN = re.compile(r"[\x21-\x7e]*")


def converted(
    values: pd.Series[Any], train: Array, where: str, *, comma: bool = False, like: bool | None = None
) -> tuple[Array, str]:
    """One column as float64 or as objects of str, missing = NaN, and what was done to it ("" for nothing).

    ``like``: make numbers (True) or strings (False) of it, as another table has them; None: find out.
    """
    where = f"{where}: column {str(values.name)!r}"
    kinds, dtype = pd.api.types, values.dtype
    if kinds.is_datetime64_any_dtype(dtype):
        return cells.days_of(values), "dates, now days since 1970-01-01"
    if kinds.is_timedelta64_dtype(dtype):
        return values.dt.total_seconds().to_numpy(dtype=np.float64) / cells.SECONDS_A_DAY, "durations, now in days"
    if kinds.is_numeric_dtype(dtype) and not kinds.is_bool_dtype(dtype) and like is not False:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        refuse_infinite(numbers, where)
        return numbers, ""
    strings = _strings(values, where)
    declared = kinds.is_bool_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype)
    if like is False or (declared and like is None):
        return strings, ""
    place, distinct = pd.factorize(strings, use_na_sentinel=True)
    rows = np.bincount(place[train & (place >= 0)], minlength=len(distinct))
    parsed = cells.numbers(list(distinct), rows, comma=comma) or cells.days(list(distinct), rows)
    if parsed is None and like is None:
        return strings, ""
    if parsed is None:  # numbers in the training data: what is none here is missing
        parsed = cells.numbers(list(distinct), rows, comma=comma, share=0.0)
    if parsed is None:
        parsed = cells.Parsed(np.full(len(distinct), np.nan), "no numbers")
    out = np.append(parsed.values, np.nan)[place]
    gone = int(np.isnan(out).sum())
    told = parsed.how + (f"; {gone} cells are missing" if gone else "")
    if parsed.lost:
        more = " ..." if len(parsed.lost) > 3 else ""
        told += f", also those that do not fit ({', '.join(repr(v) for v in parsed.lost[:3])}{more})"
    return out, told


def _strings(values: pd.Series[Any], where: str) -> Array:
    missing = values.isna().to_numpy(dtype=bool)
    out = np.empty(len(values), dtype=object)
    for i, (v, gone) in enumerate(zip(values.tolist(), missing, strict=True)):
        if isinstance(v, list | dict | tuple | np.ndarray):
            raise DataError(f"{where} holds lists or objects: store one number or string per cell")
        out[i] = np.nan if gone else str(v)
    return out


def useless(name: str, values: Array, train: Array) -> str:
    """Why a converted column is left out, or "": it is empty, an identifier, or mostly distinct strings."""
    seen = values[train]
    seen = seen[~pd.isna(seen)]
    if not train.any():
        return ""
    if not len(seen):
        return "no value in any training row"
    distinct = len(pd.unique(seen))
    if values.dtype.kind == "f":
        counts = bool((seen == np.round(seen)).all()) and len(seen) == int(train.sum())
        steps = len(seen) > 1 and float((np.diff(seen) == 1).mean()) >= cells.NEARLY_ALL
        if counts and _NAMELESS.fullmatch(name) and (distinct == len(seen) or steps):
            return "a column without a name that numbers the rows (a saved index)"
        if counts and distinct == len(seen) and is_id(name):
            return "an identifier, another number in every row"
        return ""
    if distinct == len(seen) and (is_id(name) or _NAMELESS.fullmatch(name)) and len(seen) > 1:
        return "an identifier, another value in every row"
    if distinct > max(FEW, 0.5 * len(seen)):
        return f"{distinct} distinct strings in {len(seen)} training rows are text or an identifier, not categories"
    return ""


def is_id(name: str) -> bool:
    """Whether a name says that the column identifies rows: id, customer_id, PassengerId, index, uuid ..."""
    return bool(_ID_WORD.fullmatch(name.strip()) or _ID_CAMEL.fullmatch(name.strip()))


def mostly_distinct(values: pd.Series[Any], train: Array) -> bool:
    """Whether more than half of the filled training cells are strings that occur once."""
    seen = _judged(values, train)
    return seen is not None and seen.nunique() > 0.5 * len(seen)


def sentences(values: pd.Series[Any], train: Array, *, words: float = 0.0) -> bool:
    """Whether a column holds mostly distinct strings of more than 15 characters that are no single ASCII tokens.

    ``words``: fewer on average are no sentences; scripts that write without blanks are not counted so.
    """
    seen = _judged(values, train)
    if seen is None or seen.nunique() <= 0.5 * len(seen) or seen.str.len().mean() <= 15:
        return False
    if float(np.mean([bool(_TOKEN.fullmatch(v)) for v in seen])) >= 0.5:
        return False  # paths, hashes, addresses
    average = float(np.mean([len(v.split()) for v in seen]))
    return average >= words or average < 2


def _judged(values: pd.Series[Any], train: Array) -> pd.Series[Any] | None:
    """Filled training cells as strings; None for columns that are no strings."""
    kinds = pd.api.types
    if kinds.is_numeric_dtype(values.dtype) or kinds.is_datetime64_any_dtype(values.dtype):
        return None
    seen = values[train].dropna()
    return seen.astype(str) if len(seen) else None


def names(columns: Sequence[str], limit: int = 6) -> str:
    """Column names for a message, the first ones where there are many."""
    shown = ", ".join(repr(c) for c in columns[:limit])
    return shown + (f" and {len(columns) - limit} more" if len(columns) > limit else "")
