from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autonoise.ops.text_draws import Numbers, TextDraws
from autonoise.ops.words import count_for
from autonoise.technique import Family, ManyTexts, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_EDIT,
    also={Family.TOKEN_ORDER},
    reference="Wei & Zou 2019, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification",
)
class EDA(ManyTexts):
    """Swap, delete or insert words: one of three operations, on a share a = ``strength * alpha`` of the words.

    In a text of n words, either a * n random pairs are swapped, or each word is deleted with probability a (at least
    one stays), or copies of a * n of its own words are inserted at random places. As in the paper's code, a short text
    gets at least one swap or insertion at full strength. The paper's operations with synonyms are left out, because
    they need a thesaurus.
    """

    # the paper recommends 0.05 for small training sets and 0.1 for large ones
    alpha: float = ranged(0.05, 0.3, default=0.1, unit="words", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        return self._edited(text, text.split(), strength, Numbers.of(rng))

    def perturb_texts(self, texts: Sequence[str], *, strengths: Sequence[float], draws: TextDraws) -> list[str]:
        split = [text.split() for text in texts]
        longest = max(map(len, split))
        # one number for the operation, and then one for each word or two for each pair, and one more
        most = 2 + max(longest, 2 * math.ceil(self._expected(max(strengths), longest)))
        each = zip(texts, split, strengths, draws.numbers(most), strict=True)
        return [self._edited(text, words, strength, numbers) for text, words, strength, numbers in each]

    def _share(self, strength: float) -> float:
        return min(1.0, self.alpha * strength)

    def _expected(self, strength: float, words: int) -> float:
        """The number of pairs that are swapped, or of words that are inserted."""
        return max(min(1.0, strength), self._share(strength) * words)

    def _edited(self, text: str, words: list[str], strength: float, numbers: Numbers) -> str:
        if not words:
            return text
        draw, size = numbers.one, len(words)
        operation = int(3 * draw())
        if operation == 1:
            share = self._share(strength)
            kept = [w for w, u in zip(words, numbers.several(size), strict=True) if u >= share]
            kept = kept or [words[int(size * draw())]]
            return " ".join(kept) if len(kept) < size else text
        count = count_for(self._expected(strength, size), draw())
        if count == 0 or size < 2:
            return text
        for _ in range(count):
            i, j = int(len(words) * draw()), int((len(words) - 1) * draw())
            j += j >= i
            if operation == 0:
                words[i], words[j] = words[j], words[i]
            else:
                words.insert(j, words[i])
        return " ".join(words)
