import numpy as np
import pytest

from autonoise.techniques.word_swap import WordSwap

WORDS = [str(i) for i in range(3000)]
TEXT = " ".join(WORDS)


@pytest.mark.parametrize(("fraction", "strength"), [(0.2, 1.0), (0.2, 0.5), (0.6, 1.0), (1.0, 1.0), (0.5, 4.0)])
def test_share_of_words_that_move(fraction: float, strength: float) -> None:
    technique = WordSwap(fraction=fraction)
    out = technique.perturb_text(TEXT, strength=strength, rng=np.random.default_rng(0)).split()
    shift = np.array([int(w) for w in out]) - np.arange(3000)
    assert set(np.abs(shift)) <= {0, 1}
    assert np.mean(shift != 0) == pytest.approx(min(1.0, fraction * strength), abs=0.04)
    assert sorted(out, key=int) == WORDS


def test_by_hand() -> None:
    rng = np.random.default_rng(0)
    assert WordSwap(fraction=1.0).perturb_text(" a  b\nc d e", strength=1.0, rng=rng) == " b  a\nd c e"
    assert WordSwap().perturb_text("a b c", strength=0.0, rng=rng) == "a b c"
    assert WordSwap(fraction=1.0).perturb_text("alone", strength=1.0, rng=rng) == "alone"
