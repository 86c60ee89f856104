from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autonoise.ops.text_draws import TextDraws
from autonoise.ops.words import join_words, split_words
from autonoise.technique import Family, ManyTexts, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_ORDER,
    reference="Artetxe et al. 2018, Unsupervised Neural Machine Translation",
)
class WordSwap(ManyTexts):
    """Swap neighbouring words so that, on average, a share f = ``strength * fraction`` of all words moves.

    Going from left to right, each pair is swapped with probability f / (2 - f); a word takes part in at most one swap,
    and moves by one place.
    """

    fraction: float = ranged(0.05, 0.6, default=0.2, log=True, unit="words", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        words, gaps = split_words(text)
        _swap(words, (rng.random(len(words)) < self._chance(strength)).nonzero()[0].tolist())
        return join_words(words, gaps)

    def perturb_texts(self, texts: Sequence[str], *, strengths: Sequence[float], draws: TextDraws) -> list[str]:
        split = [split_words(text) for text in texts]
        chance = {strength: self._chance(strength) for strength in set(strengths)}
        chances = np.array([chance[strength] for strength in strengths])[:, None]
        hits = draws.uniform(max(len(words) for words, _ in split)) < chances
        places: dict[int, list[int]] = {}
        for row, place in zip(*(found.tolist() for found in hits.nonzero()), strict=True):
            places.setdefault(row, []).append(place)
        for row, some in places.items():
            _swap(split[row][0], some)
        return [join_words(words, gaps) for words, gaps in split]

    def _chance(self, strength: float) -> float:
        share = min(1.0, self.fraction * strength)
        return share / (2 - share)


def _swap(words: list[str], places: Sequence[int]) -> None:
    """Swap the words at these places, from left to right, with those after them; who has moved does not move again."""
    free, last = 0, len(words) - 1
    for i in places:
        if free <= i < last:
            words[i], words[i + 1] = words[i + 1], words[i]
            free = i + 2
