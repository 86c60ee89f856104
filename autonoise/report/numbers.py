"""Numbers as they are printed: sensible digits, a true minus sign, a dash where there is no number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

NONE = "–"
"""What stands where there is no number."""
Triple = tuple[float, float, float]
"""A mean and the ends of its interval."""


def number(value: Any) -> float | None:
    """A finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def triple(value: Any) -> Triple | None:
    """(mean, low, high) of a list of three finite numbers, or None."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 3:
        return None
    mean, low, high = (number(v) for v in value)
    return None if mean is None or low is None or high is None else (mean, low, high)


def fixed(value: Any, digits: int = 3) -> str:
    """A number with ``digits`` decimals."""
    x = number(value)
    return NONE if x is None else _minus(f"{x:.{digits}f}")


def signed(value: Any, digits: int = 3) -> str:
    """The same with its sign; ± where it rounds to 0."""
    x = number(value)
    if x is None:
        return NONE
    text = f"{x:+.{digits}f}"
    return f"±{text[1:]}" if float(text) == 0 else _minus(text)


def percent(value: Any, *, sign: bool = False) -> str:
    """A share of 1 in whole percent."""
    x = number(value)
    return NONE if x is None else f"{signed(100 * x, 0) if sign else fixed(100 * x, 0)} %"


def interval(value: Any, digits: int = 3, *, sign: bool = False) -> str:
    """``[low, high]`` of a triple; empty where there is none."""
    t = triple(value)
    if t is None:
        return ""
    show = signed if sign else fixed
    return f"[{show(t[1], digits)}, {show(t[2], digits)}]"


def significant(value: Any, digits: int = 3) -> str:
    """A parameter's value: ``digits`` significant digits without trailing zeros; text as it is."""
    x = number(value)
    if x is None:
        return str(value)
    return _minus(str(value) if isinstance(value, int) else f"{x:.{digits}g}")


def duration(seconds: Any) -> str:
    """A time span in the unit that suits it: ``4.2 s``, ``95 s``, ``10 min``, ``2 h 05 min``."""
    x = number(seconds)
    if x is None:
        return NONE
    if x < 10:
        return f"{x:.1f} s"
    if x < 120:
        return f"{x:.0f} s"
    minutes = round(x / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def moment(iso: Any) -> str:
    """``2026-11-20 12:40 UTC`` of an ISO time; other text as it is."""
    try:
        at = datetime.fromisoformat(str(iso))
    except ValueError:
        return str(iso)
    return f"{at.astimezone(UTC) if at.tzinfo else at:%Y-%m-%d %H:%M}{' UTC' if at.tzinfo else ''}"


def plural(n: int, noun: str) -> str:
    """``1 row``, ``1,800 rows``."""
    return f"{n:,} {noun if n == 1 else noun + 's'}"


def plain(name: Any) -> str:
    """A name of the vocabulary as words: ``low_frequency`` → ``low frequency``."""
    return str(name).replace("_", " ")


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def _minus(text: str) -> str:
    """A true minus sign; zero has none, whatever it was rounded from."""
    if float(text) == 0:
        return text.lstrip("-")
    return f"−{text[1:]}" if text.startswith("-") else text
