from __future__ import annotations

import numpy as np

from autonoise.ops.words import count_for, split_words
from autonoise.technique import Family, RawNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_EDIT,
    also={Family.TOKEN_ORDER},
    reference="Wei & Zou 2019, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification",
)
class EDA(RawNoise):
    """Swap, delete or insert words: one of three operations, on a share a = ``strength * alpha`` of the words.

    In a text of n words, either a * n random pairs are swapped, or each word is deleted with probability a (at least
    one stays), or copies of a * n of its own words are inserted at random places. As in the paper's code, a short text
    gets at least one swap or insertion at full strength. The paper's operations with synonyms are left out, because
    they need a thesaurus.
    """

    # the paper recommends 0.05 for small training sets and 0.1 for large ones
    alpha: float = ranged(0.05, 0.3, default=0.1, unit="words", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        words, _ = split_words(text)
        if not words:
            return text
        share = min(1.0, self.alpha * strength)
        operation = int(3 * rng.random())
        if operation == 1:
            kept = [w for w, u in zip(words, rng.random(len(words)), strict=True) if u >= share]
            kept = kept or [words[int(len(words) * rng.random())]]
            return " ".join(kept) if len(kept) < len(words) else text
        count = count_for(max(min(1.0, strength), share * len(words)), rng)
        if count == 0 or len(words) < 2:
            return text
        for _ in range(count):
            i, j = int(len(words) * rng.random()), int((len(words) - 1) * rng.random())
            j += j >= i
            if operation == 0:
                words[i], words[j] = words[j], words[i]
            else:
                words.insert(j, words[i])
        return " ".join(words)
