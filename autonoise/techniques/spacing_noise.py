from __future__ import annotations

import numpy as np

from autonoise.ops.words import join_words, split_words
from autonoise.technique import Family, RawNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.SPACING,
    reference="Rychalska et al. 2019, Models in the Wild: On Corruption Robustness of NLP Systems",
)
class SpacingNoise(RawNoise):
    """Lose the white space after a word, or break the word in two, with probability ``strength * fraction``.

    Both are equally likely; words of one letter are not broken, and after the last word there is nothing to lose.

    A held-out text corruption is of the same kind, and does not count as unseen for a policy with this technique.
    """

    fraction: float = ranged(0.02, 0.4, default=0.1, log=True, unit="words", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        words, gaps = split_words(text)
        hit = (rng.random(len(words)) < self.fraction * strength).nonzero()[0].tolist()
        for i in hit:
            word = words[i]
            if rng.random() < 0.5:
                if i + 1 < len(words):
                    gaps[i + 1] = ""
            elif len(word) > 1:
                cut = 1 + int((len(word) - 1) * rng.random())
                words[i] = f"{word[:cut]} {word[cut:]}"
        return join_words(words, gaps)
