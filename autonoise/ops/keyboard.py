"""Which keys lie next to each other on a QWERTY keyboard."""

from __future__ import annotations

import numpy as np

# The letters of each row, and how far the row is shifted to the right, in widths of a key.
_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))


def _layout() -> dict[str, str]:
    """Return the neighbours of each key: those at most one key's width away in both directions."""
    places = {key: (left + i, float(row)) for row, (keys, left) in enumerate(_ROWS) for i, key in enumerate(keys)}
    near = {
        a: "".join(b for b, (xb, yb) in places.items() if a != b and abs(xa - xb) <= 1 and abs(ya - yb) <= 1)
        for a, (xa, ya) in places.items()
    }
    digits = "1234567890"
    return near | {d: digits[max(0, i - 1) : i] + digits[i + 1 : i + 2] for i, d in enumerate(digits)}


NEIGHBOURS: dict[str, str] = _layout()
"""For each lower-case letter or digit the keys around it; letters have letters around them, and digits digits."""


def neighbour(character: str, rng: np.random.Generator) -> str | None:
    """Return a random key next to ``character``, in the same case, or None if the layout lacks the character."""
    near = NEIGHBOURS.get(character.lower())
    if near is None:
        return None
    key = near[int(len(near) * rng.random())]
    return key.upper() if character.isupper() else key
