from __future__ import annotations

import numpy as np

from autonoise.ops.words import MARKS, join_words, split_words
from autonoise.technique import Family, RawNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_EDIT,
    reference="Karimi et al. 2021, AEDA: An Easier Data Augmentation Technique for Text Classification",
)
class AEDA(RawNoise):
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
        most = max(1, int(min(1.0, self.fraction * max(1.0, strength)) * len(words)))
        count = rng.binomial(1 + int(most * rng.random()), min(1.0, strength))
        for i in rng.random(len(words)).argsort()[:count]:
            words[i] = f"{MARKS[int(len(MARKS) * rng.random())]} {words[i]}"
        return join_words(words, gaps)
