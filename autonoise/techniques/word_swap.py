from __future__ import annotations

import numpy as np

from autonoise.ops.words import join_words, split_words
from autonoise.technique import Family, RawNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_ORDER,
    reference="Artetxe et al. 2018, Unsupervised Neural Machine Translation",
)
class WordSwap(RawNoise):
    """Swap neighbouring words so that, on average, a share f = ``strength * fraction`` of all words moves.

    Going from left to right, each pair is swapped with probability f / (2 - f); a word takes part in at most one swap,
    and moves by one place.
    """

    fraction: float = ranged(0.05, 0.6, default=0.2, log=True, unit="words", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        words, gaps = split_words(text)
        share = min(1.0, self.fraction * strength)
        swap = rng.random(len(words)) < share / (2 - share)
        i = 0
        while i + 1 < len(words):
            if swap[i]:
                words[i], words[i + 1] = words[i + 1], words[i]
                i += 1
            i += 1
        return join_words(words, gaps)
