"""Characters that are taken for each other: by a scanner that reads print, or by people who see look-alikes."""

from __future__ import annotations

from collections.abc import Mapping

# Groups of characters or pairs of them that scanners confuse, in any direction, as in studies of OCR errors.
_SCANNED = (
    ("o", "0", "c"), ("O", "0", "Q"), ("l", "1", "i"), ("I", "l", "1"), ("5", "s"), ("S", "5"), ("8", "B"), ("6", "b"),
    ("9", "g"), ("2", "z"), ("Z", "2"), ("e", "c"), ("a", "o"), ("n", "h"), ("u", "v"), ("h", "b"), ("f", "t"),
    ("rn", "m"), ("cl", "d"), ("vv", "w"), ("nn", "m"), ("li", "h"), ("ii", "u"),
)  # fmt: skip

# Letters of other alphabets, and signs, that look like a Latin letter (Unicode's list of confusable characters).
_ALIKE = {
    "a": "ɑα", "b": "ƅ", "c": "ϲс", "d": "ԁ", "e": "еҽ", "f": "ƒ", "g": "ɡ", "h": "һ", "i": "іı", "j": "ϳ", "k": "κ",
    "l": "ⅼ|", "m": "ⅿ", "n": "ո", "o": "оο", "p": "рρ", "q": "ԛ", "r": "г", "s": "ѕ", "t": "τ", "u": "υ", "v": "ν",
    "w": "ԝ", "x": "хχ", "y": "уγ", "z": "ᴢ", "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙ",
    "J": "Ј", "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "ΥҮ", "Z": "Ζ",
    "0": "О", "1": "l", "3": "З", "5": "Ƽ", "6": "б",
}  # fmt: skip


def _mutual(groups: tuple[tuple[str, ...], ...]) -> dict[str, tuple[str, ...]]:
    """Return, for each member of a group, the other members of all groups that it is in."""
    out: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for member in group:
            out[member] = (*out.get(member, ()), *(other for other in group if other != member))
    return out


SCANNED: Mapping[str, tuple[str, ...]] = _mutual(_SCANNED)
"""For a character or a pair of them what a scanner may read instead."""
ALIKE: Mapping[str, tuple[str, ...]] = {letter: tuple(others) for letter, others in _ALIKE.items()}
"""For a character those that look like it."""
