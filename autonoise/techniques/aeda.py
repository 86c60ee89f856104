from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autonoise.ops.text_draws import Numbers, TextDraws
from autonoise.ops.words import MARKS, join_words, split_words
from autonoise.technique import Family, ManyTexts, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_EDIT,
    reference="Karimi et al. 2021, AEDA: An Easier Data Augmentation Technique for Text Classification",
)
class AEDA(ManyTexts):
    """Insert punctuation marks as words of their own, each before a randomly chosen word.

    Of a text of n words, k words get one of the six marks ``. ; ? : ! ,`` before them. As in the paper, k is drawn
    uniformly from 1 .. max(1, fraction * n). Below strength 1 each of these insertions is kept with probability
    ``strength``; above strength 1 the fraction is multiplied by the strength instead, up to all words.
    """

    fraction: float = ranged(0.05, 0.5, default=0.3, unit="words", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        words, gaps = split_words(text)
        if not words:
            return text
        numbers = Numbers.of(rng)
        count = self._most(strength, len(words), numbers)
        return _inserted(words, gaps, int(rng.binomial(count, min(1.0, strength))), numbers)

    def perturb_texts(self, texts: Sequence[str], *, strengths: Sequence[float], draws: TextDraws) -> list[str]:
        if min(strengths) < 1:
            each = zip(texts, strengths, draws.generators(), strict=True)
            return [self.perturb_text(text, strength=strength, rng=rng) for text, strength, rng in each]
        split = [split_words(text) for text in texts]
        # one number for how many, one that the binomial draw takes, one for each word, and one for each mark
        most = 2 + 2 * max(len(words) for words, _ in split)
        out = []
        for text, (words, gaps), strength, numbers in zip(texts, split, strengths, draws.numbers(most), strict=True):
            if words:
                count = self._most(strength, len(words), numbers)
                numbers.one()  # NumPy draws this for its binomial number, though all are kept
                text = _inserted(words, gaps, count, numbers)
            out.append(text)
        return out

    def _most(self, strength: float, words: int, numbers: Numbers) -> int:
        """Draw the number of marks, from 1 to the share of the words that the strength stands for."""
        return 1 + int(max(1, int(min(1.0, self.fraction * max(1.0, strength)) * words)) * numbers.one())


def _inserted(words: list[str], gaps: list[str], count: int, numbers: Numbers) -> str:
    """Put a mark before ``count`` words: those of the smallest draws."""
    draws = numbers.several(len(words))
    for i in sorted(range(len(words)), key=draws.__getitem__)[:count]:
        words[i] = f"{MARKS[int(len(MARKS) * numbers.one())]} {words[i]}"
    return join_words(words, gaps)
