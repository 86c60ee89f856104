import numpy as np
import pytest

from autonoise.ops.words import count_for, join_words, split_words


@pytest.mark.parametrize("text", ["", " ", "one", " two  words\n", "a\tb c"])
def test_splitting_and_joining_is_the_identity(text: str) -> None:
    words, gaps = split_words(text)
    assert words == text.split()
    assert len(gaps) == len(words) + 1
    assert join_words(words, gaps) == text


def test_count_has_the_expected_mean() -> None:
    rng = np.random.default_rng(0)
    counts = [count_for(2.3, rng.random()) for _ in range(2000)]
    assert set(counts) == {2, 3}
    assert np.mean(counts) == pytest.approx(2.3, abs=0.04)
    assert count_for(0.0, 0.0) == 0
