"""Which keys lie next to each other on a QWERTY keyboard."""

from __future__ import annotations

import numpy as np

_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))


def _layout() -> dict[str, str]:
    places = {key: (left + i, float(row)) for row, (keys, left) in enumerate(_ROWS) for i, key in enumerate(keys)}
    near = {
        a: "".join(b for b, (xb, yb) in places.items() if a != b and abs(xa - xb) <= 1 and abs(ya - yb) <= 1)
        for a, (xa, ya) in places.items()
    }
    digits = "1234567890"
    return near | {d: digits[max(0, i - 1) : i] + digits[i + 1 : i + 2] for i, d in enumerate(digits)}


NEIGHBOURS: dict[str, str] = _layout()
"""Lower-case letter or digit → the keys around it; letters touch letters, digits touch digits."""


def neighbour(character: str, rng: np.random.Generator) -> str | None:
    """A random key next to ``character``, in its case; None where the layout does not have it."""
    near = NEIGHBOURS.get(character.lower())
    if near is None:
        return None
    key = near[int(len(near) * rng.random())]
    return key.upper() if character.isupper() else key
