from __future__ import annotations

import numpy as np

from autonoise.ops.words import join_words, split_words
from autonoise.technique import Family, RawNoise, choice, ranged, technique


@technique(
    data_types={"text"},
    family=Family.CHARACTER_EDIT,
    reference="Dhole et al. 2021, NL-Augmenter: A Framework for Task-Sensitive Natural Language Augmentation",
)
class RandomCasing(RawNoise):
    """Change the case of each letter, or of each word, with probability ``strength * fraction``.

    A letter turns from upper to lower case or the other way round. A word is written in upper case, in lower case or
    with a capital first letter, at random. With a tokenizer that turns everything into lower case this has no effect.
    """

    fraction: float = ranged(0.02, 0.5, default=0.1, log=True, unit="letters or words", maximum=1.0)
    level: str = choice("letter", "word")

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        rate = self.fraction * strength
        if self.level == "letter":
            hit = rng.random(len(text)) < rate
            return "".join(c.swapcase() if h else c for c, h in zip(text, hit, strict=True))
        words, gaps = split_words(text)
        hit = rng.random(len(words)) < rate
        kinds = rng.integers(3, size=len(words))
        for i in np.flatnonzero(hit):
            words[i] = (words[i].upper, words[i].lower, words[i].capitalize)[kinds[i]]()
        return join_words(words, gaps)
