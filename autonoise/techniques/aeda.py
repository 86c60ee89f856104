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
    """Insert punctuation marks as words of their own: k of ``. ; ? : ! ,`` before random words of n.

    k is uniform on 1 .. max(1, fraction * n), as in the paper; below strength 1 each insertion is kept with
    that probability, above it the fraction grows.
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
