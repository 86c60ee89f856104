import numpy as np
import pytest

from autonoise.ops.keyboard import NEIGHBOURS
from autonoise.techniques.character_typos import CharacterTypos

TEXT = "abcdefghij " * 400


def edits(a: str, b: str) -> int:
    """Damerau-Levenshtein distance of short strings (optimal alignment)."""
    d = np.zeros((len(a) + 1, len(b) + 1), int)
    d[:, 0], d[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return int(d[-1, -1])


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_fraction_of_characters_is_edited(strength: float) -> None:
    out = CharacterTypos(fraction=0.04).perturb_text(TEXT, strength=strength, rng=np.random.default_rng(0))
    changed = sum(edits(a, b) for a, b in zip(TEXT.split(), out.split(), strict=True))  # white space stays
    assert changed / 4000 == pytest.approx(0.04 * strength, rel=0.25)


def test_the_four_kinds_of_edits() -> None:
    typos = CharacterTypos(fraction=1.0)
    seen = {typos.perturb_text("g", strength=1.0, rng=np.random.default_rng(seed)) for seed in range(200)}
    near = NEIGHBOURS["g"]
    assert seen == {"g"} | set(near) | {"g" + c for c in near}  # a deletion would leave nothing: refused
    pairs = {typos.perturb_text("AB", strength=0.5, rng=np.random.default_rng(seed)) for seed in range(300)}
    assert {"BA", "A", "B"} <= pairs
    assert all(p == p.upper() for p in pairs)


def test_strength_zero_empty_and_foreign_scripts() -> None:
    typos, rng = CharacterTypos(fraction=1.0), np.random.default_rng(0)
    assert typos.perturb_text("Hello, world", strength=0.0, rng=rng) == "Hello, world"
    assert typos.perturb_text("", strength=1.0, rng=rng) == ""
    assert typos.perturb_text("...!?", strength=1.0, rng=rng) == "...!?"
    assert all(typos.perturb_text("日本語", strength=2.0, rng=rng).strip() for _ in range(100))
