from __future__ import annotations

import numpy as np

from autonoise.ops.keyboard import neighbour
from autonoise.ranges import ranged
from autonoise.stages import RawNoise
from autonoise.technique import technique
from autonoise.types import Family


@technique(
    data_types={"text"}, family=Family.CHARACTER_EDIT,
    reference="Belinkov & Bisk 2018, Synthetic and Natural Noise Both Break Neural Machine Translation",
)
class CharacterTypos(RawNoise):
    """Mistype: each letter or digit is, with probability ``strength * fraction``, edited in one of four ways.

    A neighbouring key instead of it, a neighbouring key after it, nothing, or it and the next one swapped.
    White space and punctuation stay. A character that the keyboard layout lacks is doubled instead.
    """

    fraction: float = ranged(0.005, 0.1, default=0.03, log=True, unit="characters", maximum=1.0)

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        hit = rng.random(len(text)) < self.fraction * strength
        kinds = rng.integers(4, size=len(text))
        out: list[str] = []
        i = 0
        while i < len(text):
            here, following = text[i], text[i + 1 : i + 2]
            if not hit[i] or not here.isalnum():
                out.append(here)
            elif kinds[i] == 0:
                out.append(neighbour(here, rng) or here * 2)
            elif kinds[i] == 1:
                out.append(here + (neighbour(here, rng) or here))
            elif kinds[i] == 3:
                if following.isalnum() and following != here:
                    out.append(following + here)
                    i += 1
                else:
                    out.append(neighbour(here, rng) or here * 2)
            i += 1
        changed = "".join(out)
        return changed if changed.strip() else text
