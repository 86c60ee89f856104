"""Cells of a table that are written as text: which of them are numbers, dates, or marks for a missing value.

A column is read with one rule for all of its cells. The rule is found on training rows only; a cell elsewhere that
does not follow it is missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from autonoise.types import Array

NEARLY_ALL = 0.95
"""Share of the filled training cells that must follow a rule, so that a few slips do not make a column categorical."""
_SIGNS = {"", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "?", "*", "x"}
_WORDS = {
    "n/a",
    "n.a.",
    "n.a",
    "na",
    "nan",
    "-nan",
    "<na>",
    "null",
    "(null)",
    "none",
    "nil",
    "nd",
    "n.d.",
    "\\n",
    "missing",
    "unknown",
    "undefined",
    "tbd",
    "not available",
    "not applicable",
    "no data",
}
_ERRORS = {"#n/a", "#na", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#error!"}
PLACEHOLDERS = frozenset(_SIGNS | _WORDS | _ERRORS)
"""What stands for a missing value in a column of numbers or dates, in lower case."""
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"})
_UNIT = re.compile(r"^(?P<sign>[+-]?)\s*(?P<before>[$€£¥₹]?)\s*(?P<number>[-+]?[\d.,' ]*\d[\d.,' ]*(?:[eE][+-]?\d+)?)"
                   r"\s*(?P<after>[%$€£¥₹‰]?)$")  # fmt: skip
_WHOLE = r"(?:\d+|[1-9]\d{0,2}(?:%s\d{3})+|[1-9]\d?(?:%s\d{2})*%s\d{3})"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_POINT = re.compile(rf"[+-]?(?:{_WHOLE % (('[, ' + chr(39) + ']',) * 3)}\.?\d*|\.\d+){_EXPONENT}")
_COMMA = re.compile(rf"[+-]?(?:{_WHOLE % (('[. ' + chr(39) + ']',) * 3)},?\d*|,\d+){_EXPONENT}")
_THOUSANDS_OF = {",": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+"), ".": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")}
_PLAIN = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}")
_DATES = (
    ("ISO8601", re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ].*)?")),
    ("%Y/%m/%d", re.compile(r"\d{4}/\d{1,2}/\d{1,2}")),
    ("%d.%m.%Y", re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")),
    ("%d/%m/%Y", re.compile(r"\d{1,2}/\d{1,2}/\d{4}")),
    ("%m/%d/%Y", re.compile(r"\d{1,2}/\d{1,2}/\d{4}")),
    ("%m/%d/%y", re.compile(r"\d{1,2}/\d{1,2}/\d{2}")),
    ("%d-%m-%Y", re.compile(r"\d{1,2}-\d{1,2}-\d{4}")),
    ("%d %b %Y", re.compile(r"\d{1,2} [A-Za-z]{3} \d{4}")),
    ("%d-%b-%Y", re.compile(r"\d{1,2}-[A-Za-z]{3}-\d{4}")),
    ("%d %B %Y", re.compile(r"\d{1,2} [A-Za-z]{3,9} \d{4}")),
    ("%b %d, %Y", re.compile(r"[A-Za-z]{3} \d{1,2}, \d{4}")),
    ("%B %d, %Y", re.compile(r"[A-Za-z]{3,9} \d{1,2}, \d{4}")),
)
LONGEST_NUMBER = 100
"""Characters that a cell with a number may have. No number needs more, and the patterns above take time that grows with
the square of the length: minutes for 20,000 digits."""
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Parsed:
    """A column as numbers (N,) float64, missing = NaN, and a few words on how its cells were read."""

    values: Array
    how: str
    lost: tuple[str, ...] = ()
    """Filled cells that do not follow the rule, and so are missing."""


def numbers(values: Sequence[object], rows: Array, *, comma: bool = False, share: float = NEARLY_ALL) -> Parsed | None:
    """The column as numbers, or None where fewer than ``share`` of the filled training cells are numbers.

    ``values`` may be the distinct cells of a column, ``rows`` says how many training rows hold each. Thousands
    separators, a decimal comma, one currency or percent sign for all cells, and brackets for negative numbers are
    understood. ``comma``: read ``1,882`` as 1.882 where the column itself leaves it open.
    """
    texts, judged = _filled(values, rows)
    if not judged:
        return None
    unit = _unit_of(judged)
    bare = [_bare(t, unit) for t in texts]
    counted = {_bare(t, unit): n for t, n in judged.items()}
    style = _style(counted, comma)
    read = [_number(b, style) for b in bare]
    good = sum(n for b, n in counted.items() if _number(b, style) is not None)
    if good < share * sum(judged.values()):
        return None
    return Parsed(np.array([np.nan if v is None else v for v in read]), _how(counted, unit, style), _lost(texts, read))


def days(values: Sequence[object], rows: Array) -> Parsed | None:
    """The column as days since 1970-01-01, or None where fewer than nearly all filled training cells are dates."""
    texts, judged = _filled(values, rows)
    needed = NEARLY_ALL * sum(judged.values())
    found: list[tuple[int, str, Array]] = []
    for form, pattern in _DATES if judged else ():
        if sum(n for t, n in judged.items() if pattern.fullmatch(t)) < needed:
            continue
        kept = pd.Series([t if pattern.fullmatch(t) else None for t in texts], dtype=object)
        out = days_of(pd.to_datetime(kept, format=form, errors="coerce", utc=True))
        good = sum(judged.get(t, 0) for t, v in zip(texts, out, strict=True) if np.isfinite(v))
        if good >= needed:
            found.append((good, form, out))
    if not found:
        return None
    good, form, out = max(found, key=lambda f: f[0])
    unclear = any(f[0] == good and not np.array_equal(f[2], out, equal_nan=True) for f in found)
    order = " (the day before the month: a guess, both orders fit)" if unclear else ""
    return Parsed(out, f"dates, now days since 1970-01-01{order}", _lost(texts, out))


def days_of(when: pd.Series[pd.Timestamp]) -> Array:
    """Days since 1970-01-01 as float64, missing = NaN, from a column of time stamps with or without a zone."""
    origin = pd.Timestamp(0, tz=getattr(when.dtype, "tz", None))
    out: Array = (when - origin).dt.total_seconds().to_numpy(dtype=np.float64) / SECONDS_A_DAY
    return out


def writes_decimal_commas(values: Iterable[object]) -> bool:
    """Whether a column holds a number whose comma can only be a decimal one, such as 3,5 or 1.882,43."""
    found = (_bare(_text(v), "") for v in pd.unique(pd.Series(list(values), dtype=object)))
    return any("," in c and _COMMA.fullmatch(c) and not _POINT.fullmatch(c) for c in found)


def thousands_with_points(values: Iterable[str]) -> bool:
    """Whether all cells are whole numbers of three-digit groups between points, at least one of them grouped."""
    full = [t for t in map(_text, values) if t]
    grouped = _THOUSANDS_OF["."]
    return any(grouped.fullmatch(t) for t in full) and all(
        grouped.fullmatch(t) or re.fullmatch(r"[+-]?\d{1,3}", t) for t in full
    )


def _filled(values: Sequence[object], rows: Array) -> tuple[list[str], Counter[str]]:
    """The cells as text ("" = missing), and how many training rows hold each filled one."""
    texts = [_text(v) for v in values]
    judged: Counter[str] = Counter()
    for text, n in zip(texts, rows, strict=True):
        if text and n:
            judged[text] += int(n)
    return texts, judged


def _lost(texts: Sequence[str], read: Iterable[float | None]) -> tuple[str, ...]:
    gone = (t for t, v in zip(texts, read, strict=True) if t and (v is None or np.isnan(v)))
    return tuple(dict.fromkeys(gone))


def _text(value: object) -> str:
    """The cell as text with plain blanks and minus signs; "" where it is missing or marked as such."""
    if value is None or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)) or value is pd.NA:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else ""
    text = str(value).translate(_SPACES).strip()
    return "" if text.lower() in PLACEHOLDERS else text


def _unit_of(judged: Counter[str]) -> str:
    """The sign (currency, percent) that most rows have; "" for none. Cells with another one are no numbers here."""
    found: Counter[str] = Counter()
    for text, n in judged.items():
        match = _number_in(text)
        if match:
            found[match["before"] + match["after"]] += n
    return found.most_common(1)[0][0] if found else ""


def _number_in(text: str) -> re.Match[str] | None:
    """The sign, the currency and the digits of a cell; None where it holds no number."""
    return _UNIT.match(_unbracketed(text)) if 0 < len(text) <= LONGEST_NUMBER else None


def _unbracketed(text: str) -> str:
    return f"-{text[1:-1].strip()}" if text.startswith("(") and text.endswith(")") else text


def _bare(text: str, unit: str) -> str:
    """The digits of a cell without its unit; "" where it is no number or has another unit."""
    match = _number_in(text)
    if match is None or match["before"] + match["after"] != unit:
        return ""
    return match["sign"] + match["number"].strip()


def _style(cells: Mapping[str, int], comma: bool) -> str:
    """The decimal sign, "." or ",": the one that fits more training rows."""
    point, decimal_comma = (sum(n for c, n in cells.items() if p.fullmatch(c)) for p in (_POINT, _COMMA))
    if point != decimal_comma:
        return "." if point > decimal_comma else ","
    # both fit: then every sign stands before groups of three digits, or there is none
    points = any("." in c for c in cells)
    return "," if comma and not points and any("," in c for c in cells) else "."


def _number(cell: str, style: str) -> float | None:
    pattern, group = (_POINT, ",") if style == "." else (_COMMA, ".")
    if not cell or not pattern.fullmatch(cell):
        return None
    return float(re.sub(rf"[{group} ']", "", cell).replace(",", "."))


def _how(cells: Iterable[str], unit: str, style: str) -> str:
    parts = []
    if unit:
        parts.append(f"{unit!r} removed" if unit not in "%‰" else f"in {unit}")
    if any("," in c for c in cells):
        open_question = all(_THOUSANDS_OF[","].fullmatch(c) for c in cells if "," in c)
        meaning = "thousands" if style == "." else "decimals"
        parts.append(f"a comma sets off {meaning}" + (" (a guess, either would fit)" if open_question else ""))
    elif style == ",":
        parts.append("points set off thousands")
    return "numbers written as text" + (f" ({', '.join(parts)})" if parts else "")
