import numpy as np
import pytest

from autonoise.errors import PolicyError
from autonoise.techniques.random_casing import RandomCasing


@pytest.mark.parametrize("strength", [0.5, 1.0, 3.0])
def test_fraction_of_letters_changes_case(strength: float) -> None:
    text = "abcDE" * 1000
    out = RandomCasing(fraction=0.2).perturb_text(text, strength=strength, rng=np.random.default_rng(0))
    assert out.lower() == text.lower()
    assert sum(a != b for a, b in zip(text, out, strict=True)) / 5000 == pytest.approx(0.2 * strength, abs=0.03)


def test_words_take_one_of_three_forms_and_gaps_stay() -> None:
    text = " hELLo\t" * 600
    technique = RandomCasing(fraction=0.3, level="word")
    out = technique.perturb_text(text, strength=1.0, rng=np.random.default_rng(0))
    words = out.split()
    assert set(words) == {"hELLo", "HELLO", "hello", "Hello"}
    assert sum(w != "hELLo" for w in words) / 600 == pytest.approx(0.3, abs=0.06)
    assert out.lower() == text.lower()


def test_strength_zero_and_bad_level() -> None:
    rng = np.random.default_rng(0)
    for level in ("letter", "word"):
        assert RandomCasing(level=level).perturb_text("Some Text", strength=0.0, rng=rng) == "Some Text"
    with pytest.raises(PolicyError, match="level"):
        RandomCasing(level="sentence")
