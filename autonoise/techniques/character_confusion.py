from __future__ import annotations

import numpy as np

from autonoise.ops.confusions import ALIKE, SCANNED
from autonoise.technique import Family, RawNoise, choice, ranged, technique


@technique(
    data_types={"text"},
    family=Family.CHARACTER_CONFUSION,
    reference="Ma 2019, nlpaug (OcrAug); Eger et al. 2019, Text Processing Like Humans Do: Visually Attacking and "
    "Shielding NLP Systems",
)
class CharacterConfusion(RawNoise):
    """Put in place of a character, with probability ``strength * fraction``, one that it is easily taken for.

    The kind ``scanner`` makes the errors of optical character recognition (0 and o, rn and m), ``alike`` takes letters
    of other alphabets that look the same (Latin and Cyrillic a), ``any`` draws one of the two for each text. Characters
    that nothing looks like stay.

    The held-out text corruptions are of the same kind, and do not count as unseen for a policy with this technique.
    """

    fraction: float = ranged(0.01, 0.3, default=0.05, log=True, unit="characters", maximum=1.0)
    kind: str = choice("any", "scanner", "alike")

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        kind = ("scanner", "alike")[int(2 * rng.random())] if self.kind == "any" else self.kind
        table = SCANNED if kind == "scanner" else ALIKE
        out: list[str] = []
        done = 0
        for i in (rng.random(len(text)) < self.fraction * strength).nonzero()[0].tolist():
            if i < done:
                continue
            # a pair of characters that has a look-alike goes before its first character
            seen = next((s for s in (text[i : i + 2], text[i]) if s in table), "")
            if seen:
                others = table[seen]
                out += [text[done:i], others[int(len(others) * rng.random())]]
                done = i + len(seen)
        return "".join([*out, text[done:]])
