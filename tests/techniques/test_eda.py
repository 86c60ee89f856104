from collections import Counter

import numpy as np
import pytest

from autonoise.techniques.eda import EDA

WORDS = [f"w{i}" for i in range(40)]
TEXT = " ".join(WORDS)


def outcomes(strength: float, alpha: float = 0.2, seeds: int = 600) -> dict[str, list[list[str]]]:
    kinds: dict[str, list[list[str]]] = {"swap": [], "delete": [], "insert": [], "same": []}
    for seed in range(seeds):
        out = EDA(alpha=alpha).perturb_text(TEXT, strength=strength, rng=np.random.default_rng(seed)).split()
        assert set(out) <= set(WORDS)
        size = len(out) - 40
        kinds["insert" if size > 0 else "delete" if size < 0 else "same" if out == WORDS else "swap"].append(out)
    return kinds


def test_the_three_operations_are_equally_likely_and_of_the_size_asked_for() -> None:
    kinds = outcomes(1.0)
    for kind in ("swap", "delete", "insert"):
        assert len(kinds[kind]) / 600 == pytest.approx(1 / 3, abs=0.07)
    assert {len(w) for w in kinds["insert"]} == {48}  # 0.2 * 40 = 8
    assert all(set(w) == set(WORDS) for w in kinds["insert"])
    assert np.mean([len(w) for w in kinds["delete"]]) == pytest.approx(32, abs=0.6)
    assert all(Counter(w) == Counter(WORDS) for w in kinds["swap"])
    moved = np.mean([sum(a != b for a, b in zip(w, WORDS, strict=True)) for w in kinds["swap"]])
    assert moved == pytest.approx(13.3, abs=0.8)  # 8 random pairs touch 40 * (1 - (38/40)^8) = 13.5 words at most


def test_strength_scales_the_share() -> None:
    kinds = outcomes(0.5)
    assert {len(w) for w in kinds["insert"]} == {44}
    assert np.mean([len(w) for w in kinds["delete"]]) == pytest.approx(36, abs=0.6)
    assert len(outcomes(0.0, seeds=30)["same"]) == 30


def test_a_short_text_gets_one_edit_as_in_the_reference() -> None:
    """max(1, int(alpha n)): of four words at alpha 0.1 one pair is swapped or one word inserted, every time."""
    out = [EDA(alpha=0.1).perturb_text("a b c d", strength=1.0, rng=np.random.default_rng(k)) for k in range(300)]
    swapped = [t for t in out if sorted(t.split()) == list("abcd") and t != "a b c d"]
    inserted = [t for t in out if len(t.split()) == 5]
    assert len(swapped) / 300 == pytest.approx(1 / 3, abs=0.09)
    assert len(inserted) / 300 == pytest.approx(1 / 3, abs=0.09)


def test_never_empty() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        assert EDA(alpha=1.0).perturb_text("one", strength=5.0, rng=rng) == "one"
        assert EDA(alpha=1.0).perturb_text("one two", strength=5.0, rng=rng)
    assert EDA().perturb_text(" ", strength=1.0, rng=np.random.default_rng(0)) == " "
