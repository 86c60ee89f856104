"""Text corruptions do what their amount says."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_samples import WORDS, apply

from autonoise.corruptions import Corruption, Reference, corruptions_for, get_corruption
from autonoise.corruptions.misspellings import MISSPELLINGS, misspelled
from autonoise.types import DataType

LONG = [" ".join(np.random.default_rng(i).choice(WORDS, 200)) for i in range(20)]
REFERENCE = Reference(DataType.TEXT, ["alpha beta gamma", "delta epsilon zeta eta theta", ""])


def text(name: str, amount: float, rows: list[str], seed: int = 0) -> list[str]:
    return list(apply(get_corruption("text", name), amount, rows, REFERENCE, seed))


@pytest.mark.parametrize("c", corruptions_for("text"), ids=lambda c: c.name)
def test_odd_texts(c: Corruption) -> None:
    rows = ["", " ", "\n\t", "x", "!?", "Größe naïve 東京 мир", "🙂 ok 🙂", " leading and trailing "]
    for amount in (c.mildest, *c.severities, c.harshest):
        out = text(c.name, amount, rows)
        assert len(out) == len(rows)
        if c.name != "distractor":
            assert all(not o.strip() for o in out[:3])


@pytest.mark.parametrize("c", corruptions_for("text"), ids=lambda c: c.name)
def test_a_reference_without_words(c: Corruption) -> None:
    out = apply(c, c.severities[2], ["one two three"], Reference(DataType.TEXT, ["", " "]))
    assert len(out) == 1


@pytest.mark.parametrize(("name", "share"), [("keyboard_typos", 1.0), ("homoglyph_leet", None)])
def test_character_replacements_hit_their_fraction(name: str, share: float | None) -> None:
    out = text(name, 0.1, LONG)
    hit = total = 0
    for before, after in zip(LONG, out, strict=True):
        assert len(before) == len(after)
        assert [i for i, c in enumerate(before) if c == " "] == [i for i, c in enumerate(after) if c == " "]
        letters = [i for i, c in enumerate(before) if c not in " "]
        if share is None:
            letters = [i for i in letters if before[i] in "abceghijlopstxyzABCEHIKMNOPSTXYZ"]
        hit += sum(before[i] != after[i] for i in letters)
        total += len(letters)
    assert hit / total == pytest.approx(0.1, abs=0.01)


def test_keyboard_neighbours_keep_capitals() -> None:
    for seed in range(20):
        (out,) = text("keyboard_typos", 0.6, ["G" * 40 + "5" * 40], seed)
        assert set(out[:40]) <= set("GFHTYVB")
        assert set(out[40:]) <= set("546rt")


def test_character_edits_hit_their_fraction_with_every_kind() -> None:
    out = text("character_edits", 0.2, ["a" * 20000])[0]
    others = sum(c != "a" for c in out)
    # A quarter each: delete, insert, replace; a swap of equal letters shows nothing. 1 in 26 letters is an a.
    assert others / 20000 == pytest.approx(0.2 * 2 / 4 * 25 / 26, rel=0.06)
    assert len(out) == pytest.approx(20000, abs=150)
    swapped = text("character_edits", 0.05, ["ab" * 2000])[0]
    assert sorted(set(swapped)) > ["a", "b"]
    assert "bab" in swapped.replace("abab", "")


def test_token_drop_and_truncation_lengths() -> None:
    dropped = text("token_drop", 0.3, LONG)
    assert np.mean([len(t.split()) for t in dropped]) == pytest.approx(140, abs=5)
    cut = text("truncation", 0.3, LONG)
    assert [len(t.split()) for t in cut] == [140] * 20
    assert all(before.startswith(after) for before, after in zip(LONG, cut, strict=True))
    assert text("token_drop", 0.95, ["one two"] * 50).count("") == 0


def test_token_replacement_uses_training_tokens() -> None:
    out = text("token_replacement", 0.4, LONG)
    known = set(" ".join(REFERENCE.texts).split())
    new = [token in known for t in out for token in t.split()]
    assert np.mean(new) == pytest.approx(0.4, abs=0.03)
    assert all(len(a.split()) == len(b.split()) for a, b in zip(LONG, out, strict=True))


@pytest.mark.parametrize("amount", [0.2, 1.0])
def test_token_swap_exchanges_neighbours(amount: float) -> None:
    numbers = [" ".join(str(i) for i in range(100))] * 20
    moved = [np.array(t.split(), dtype=int) - np.arange(100) for t in text("token_swap", amount, numbers)]
    assert set(np.unique(moved)) == {-1, 0, 1}
    assert np.mean([np.mean(m != 0) for m in moved]) == pytest.approx(amount, abs=0.02)
    assert text("token_swap", 1.0, ["a b", "a"]) == ["b a", "a"]


def test_ocr_reads_letter_pairs_as_one() -> None:
    assert text("ocr_confusion", 0.8, ["rn"] * 50).count("m") > 30
    assert set(text("ocr_confusion", 0.8, ["m"] * 50)) == {"m", "rn"}
    out = text("ocr_confusion", 0.1, LONG)
    same = sum(a == b for x, y in zip(LONG, out, strict=True) for a, b in zip(x.split(), y.split(), strict=True))
    assert 0.5 < same / 4000 < 0.9


def test_whitespace_moves_only_spaces() -> None:
    out = text("whitespace", 0.3, LONG)
    for before, after in zip(LONG, out, strict=True):
        assert before.replace(" ", "") == after.replace(" ", "")
    changed = np.mean([len(set(b.split()) - set(a.split())) > 0 for a, b in zip(LONG, out, strict=True)])
    assert changed == 1
    counts = [len(t.split()) for t in out]
    assert 170 < np.mean(counts) < 230


def test_distractor_adds_its_share_of_training_text() -> None:
    out = text("distractor", 0.25, LONG)
    for before, after in zip(LONG, out, strict=True):
        assert after.startswith(before) or after.endswith(before)
        assert len(after.split()) == 250
    assert any(t for t in text("distractor", 0.85, [""] * 20))


def test_misspellings_are_wrong_and_keep_capitals() -> None:
    assert len(MISSPELLINGS) >= 150
    assert all(right != wrong and right.islower() for right, wrong in MISSPELLINGS.items())
    rng = np.random.default_rng(0)
    assert misspelled("Receive", rng) == "Recieve"
    assert misspelled("THEIR", rng) == "THIER"
    for word in ["pattern", "cat", "ox", "nth", "Zürich", "physics", "bee", "мир", "ie"]:
        for _ in range(20):
            assert misspelled(word, rng) != word
    assert {misspelled("grass", rng) for _ in range(50)} == {"gras", "gress"}


def test_misspelling_hits_its_fraction_of_words() -> None:
    out = text("misspelling", 0.3, LONG)
    pairs = [(x, y) for a, b in zip(LONG, out, strict=True) for x, y in zip(a.split(), b.split(), strict=True)]
    wrong = [x != y for x, y in pairs if len(x) > 1]
    assert np.mean(wrong) == pytest.approx(0.3, abs=0.03)
    assert all(a != b for a, b in zip(LONG, text("misspelling", 1.0, LONG), strict=True))
