from __future__ import annotations

import numpy as np

from autonoise.ops.keyboard import NEIGHBOURS, neighbour
from autonoise.technique import Family, RawNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.CHARACTER_EDIT,
    reference="Ma 2019, nlpaug (KeyboardAug)",
)
class KeyboardTypos(RawNoise):
    """Hit a neighbouring key in place of each letter or digit with probability ``strength * fraction``.

    The neighbours are those of the QWERTY layout, in the same case. Everything else stays: white space, punctuation,
    and letters that the layout does not have. Use ``character_typos`` for slips that also change the length.
    """

    # nlpaug mistypes 30 % of the characters of 30 % of the words, which is 0.09 of all
    fraction: float = ranged(0.01, 0.3, default=0.09, log=True, unit="characters", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        keys = [i for i, character in enumerate(text) if character.lower() in NEIGHBOURS]
        hit = (rng.random(len(keys)) < self.fraction * strength).nonzero()[0].tolist()
        out = list(text)
        for i in (keys[k] for k in hit):
            out[i] = neighbour(text[i], rng) or text[i]
        return "".join(out)
