import numpy as np
import pytest

from autonoise.ops.words import MARKS
from autonoise.techniques.punctuation_noise import PunctuationNoise


def test_fraction_of_words_gets_a_mark() -> None:
    text = "word " * 2000
    out = PunctuationNoise(fraction=0.2).perturb_text(text, strength=0.5, rng=np.random.default_rng(0))
    words = out.split()
    assert set(words) == {"word"} | {"word" + m for m in MARKS}
    assert sum(w != "word" for w in words) / 2000 == pytest.approx(0.1, abs=0.02)


def test_marks_are_dropped_or_replaced() -> None:
    always = PunctuationNoise(fraction=1.0)
    words = always.perturb_text("end. " * 1000, strength=1.0, rng=np.random.default_rng(0)).split()
    assert set(words) == {"end"} | {"end" + m for m in MARKS if m != "."}
    assert words.count("end") / 1000 == pytest.approx(0.5, abs=0.05)
    assert all(always.perturb_text("!", strength=1.0, rng=np.random.default_rng(s)) in MARKS for s in range(50))


def test_strength_zero() -> None:
    assert PunctuationNoise().perturb_text(" a,  b.", strength=0.0, rng=np.random.default_rng(0)) == " a,  b."
