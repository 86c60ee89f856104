import numpy as np
import pytest

from autonoise.ops.words import MARKS
from autonoise.techniques.aeda import AEDA

WORDS = [f"w{i}" for i in range(50)]


def inserted(strength: float, seed: int, fraction: float = 0.3) -> int:
    text = " ".join(WORDS)
    out = AEDA(fraction=fraction).perturb_text(text, strength=strength, rng=np.random.default_rng(seed)).split()
    assert [w for w in out if w not in MARKS] == WORDS  # nothing lost, order kept
    return len(out) - 50


def test_one_to_a_third_of_the_words() -> None:
    counts = [inserted(1.0, seed) for seed in range(300)]
    assert set(counts) == set(range(1, 16))  # 0.3 * 50 = 15
    assert np.mean(counts) == pytest.approx(8.0, abs=0.8)


def test_strength_thins_the_insertions() -> None:
    assert np.mean([inserted(0.25, seed) for seed in range(300)]) == pytest.approx(2.0, abs=0.4)
    assert max(inserted(2.0, seed) for seed in range(100)) > 15
    assert inserted(0.0, 0) == 0


def test_short_texts() -> None:
    rng = np.random.default_rng(0)
    assert AEDA().perturb_text("word", strength=1.0, rng=rng).endswith(" word")
    assert AEDA().perturb_text("  ", strength=1.0, rng=rng) == "  "
