from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from autonoise.ops.confusions import ALIKE, SCANNED
from autonoise.techniques.character_confusion import CharacterConfusion


def confused(text: str, fraction: float = 1.0, strength: float = 1.0, seed: int = 0, kind: str = "any") -> str:
    technique = CharacterConfusion(fraction=fraction, kind=kind)
    return technique.perturb_text(text, strength=strength, rng=np.random.default_rng(seed))


def test_a_scanner_takes_pairs_of_letters_for_one_and_back() -> None:
    assert {confused("rn", kind="scanner", seed=s) for s in range(20)} == {"m"}
    assert {confused("m", kind="scanner", seed=s) for s in range(40)} == {"rn", "nn"}
    assert {confused("0", kind="scanner", seed=s) for s in range(40)} == {"o", "O", "c", "Q"}
    assert confused("corn", kind="scanner").endswith("m")
    assert confused("xX?! 你", kind="scanner") == "xX?! 你"


def test_tables_are_mutual_and_look_alikes_are_other_characters() -> None:
    assert all(key in SCANNED[other] for key, others in SCANNED.items() for other in others)
    for letter, others in ALIKE.items():
        assert letter.isalnum() and len(letter) == 1 and letter not in others
        for other in others:
            assert len(other) == 1 and (letter.isdigit() or not other.isascii() or other == "|")
    # the best known traps, by their names in Unicode
    names = {unicodedata.name(other) for letter in "aoA" for other in ALIKE[letter]}
    assert {"CYRILLIC SMALL LETTER O", "GREEK SMALL LETTER OMICRON", "CYRILLIC CAPITAL LETTER A"} <= names


@pytest.mark.parametrize(("kind", "text"), [("scanner", "o "), ("alike", "p ")])
def test_the_share_of_confused_characters(kind: str, text: str) -> None:
    out = confused(text * 20_000, 0.2, 0.5, kind=kind)
    assert len(out) == 40_000 and out[1::2] == " " * 20_000
    wrong = sum(a != text[0] for a in out[::2]) / 20_000
    assert wrong == pytest.approx(0.1, rel=0.06)


def test_any_draws_a_kind_for_each_text() -> None:
    ascii_only = [confused("soap and oil", seed=seed).isascii() for seed in range(200)]
    assert 70 < sum(ascii_only) < 130
