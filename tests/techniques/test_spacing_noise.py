from __future__ import annotations

import numpy as np
import pytest

from autonoise.techniques.spacing_noise import SpacingNoise


def spaced(text: str, fraction: float = 1.0, strength: float = 1.0, seed: int = 0) -> str:
    return SpacingNoise(fraction=fraction).perturb_text(text, strength=strength, rng=np.random.default_rng(seed))


def test_words_are_broken_or_joined_and_letters_stay() -> None:
    assert {spaced("abc", seed=s) for s in range(40)} == {"abc", "a bc", "ab c"}
    assert {spaced("a\tb", seed=s) for s in range(40)} == {"a\tb", "ab"}  # a word of one letter cannot be broken
    text = "  one two\n three, four  "
    for seed in range(30):
        out = spaced(text, 0.7, seed=seed)
        assert "".join(out.split()) == "one" + "two" + "three," + "four"
        assert out.startswith("  ") and out.endswith("  ")


@pytest.mark.parametrize(("fraction", "strength"), [(0.2, 1.0), (0.4, 0.25)])
def test_both_happen_to_half_of_the_fraction(fraction: float, strength: float) -> None:
    out = spaced("word " * 20_000, fraction, strength).split()
    pieces = [w for w in out if w in {"w", "wo", "wor"}]
    joined = sum(len(w) // 4 for w in out if len(w) > 4)
    rate = fraction * strength / 2
    assert len(pieces) / 20_000 == pytest.approx(rate, rel=0.2)
    assert joined / 20_000 == pytest.approx(2 * rate, rel=0.3)  # each loss of a space joins two words
