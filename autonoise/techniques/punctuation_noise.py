from __future__ import annotations

import numpy as np

from autonoise.ops.words import MARKS, join_words, split_words
from autonoise.technique import Family, RawNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.CHARACTER_EDIT,
    reference="Ek et al. 2020, How does Punctuation Affect Neural Models in Natural Language Inference",
)
class PunctuationNoise(RawNoise):
    """Change the punctuation after each word with probability ``strength * fraction``.

    A word without a mark at its end gets one. A word with marks either loses them or gets another mark instead, with
    equal probability.
    """

    fraction: float = ranged(0.02, 0.5, default=0.1, log=True, unit="words", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        words, gaps = split_words(text)
        for i in (rng.random(len(words)) < self.fraction * strength).nonzero()[0].tolist():
            bare = words[i].rstrip(MARKS)
            marks = words[i][len(bare) :]
            others = MARKS if len(marks) != 1 else MARKS.replace(marks, "")
            drop = bool(marks) and bool(bare) and rng.random() < 0.5
            words[i] = bare if drop else bare + others[int(len(others) * rng.random())]
        return join_words(words, gaps)
