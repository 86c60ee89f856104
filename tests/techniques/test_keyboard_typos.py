from __future__ import annotations

import numpy as np
import pytest

from autonoise.techniques.keyboard_typos import KeyboardTypos


def typed(text: str, fraction: float, strength: float = 1.0, seed: int = 0) -> str:
    return KeyboardTypos(fraction=fraction).perturb_text(text, strength=strength, rng=np.random.default_rng(seed))


def test_only_keys_that_touch_on_a_keyboard_are_hit() -> None:
    # read off a keyboard by hand
    touching = {"q": "wa", "g": "fhtyvb", "m": "njk", "1": "2", "5": "46", "0": "9"}
    for key, around in touching.items():
        hit = {typed(key, 1.0, seed=seed) for seed in range(80)}
        assert hit == set(around), key
        assert {typed(key.upper(), 1.0, seed=seed) for seed in range(80)} == {a.upper() for a in around}


def test_what_is_no_key_stays() -> None:
    text = "  \n,.;:!?-()'\" 你好 été"
    out = typed(text, 1.0)
    assert out.replace(out[-2], "t") == text and out[-2] in "rygf"


@pytest.mark.parametrize(("fraction", "strength"), [(0.1, 1.0), (0.4, 0.5)])
def test_the_share_of_mistyped_letters_is_the_fraction(fraction: float, strength: float) -> None:
    text = "gh " * 20_000
    out = typed(text, fraction, strength)
    assert len(out) == len(text) and out[2::3] == text[2::3]
    wrong = sum(a != b for a, b in zip(text, out, strict=True)) / 40_000
    assert wrong == pytest.approx(fraction * strength, rel=0.05)
