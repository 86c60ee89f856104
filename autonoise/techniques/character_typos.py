from __future__ import annotations

import numpy as np

from autonoise.ops.keyboard import neighbour
from autonoise.technique import Family, RawNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.CHARACTER_EDIT,
    reference="Belinkov & Bisk 2018, Synthetic and Natural Noise Both Break Neural Machine Translation",
)
class CharacterTypos(RawNoise):
    """Mistype each letter or digit with probability ``strength * fraction``, in one of four ways at random.

    Either a neighbouring key replaces the character, or a neighbouring key is inserted after it, or the character is
    left out, or it is swapped with the next one. White space and punctuation never change. A character that is not on
    the QWERTY layout has no neighbouring key, and is doubled instead.
    """

    fraction: float = ranged(0.005, 0.1, default=0.03, log=True, unit="characters", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        out: list[str] = []
        done = 0
        for i in (rng.random(len(text)) < self.fraction * strength).nonzero()[0].tolist():
            here, following = text[i], text[i + 1 : i + 2]
            if i < done or not here.isalnum():
                continue
            out.append(text[done:i])
            done = i + 1
            kind = int(4 * rng.random())
            if kind == 1:
                out.append(here + (neighbour(here, rng) or here))
            elif kind == 3 and following.isalnum() and following != here:
                out.append(following + here)
                done = i + 2
            elif kind != 2:
                out.append(neighbour(here, rng) or here * 2)
        changed = "".join([*out, text[done:]])
        return changed if changed.strip() else text
