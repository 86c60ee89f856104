"""``ManyTexts``: raw noise that changes many strings at once in less time than one after another."""

from __future__ import annotations

from collections.abc import Sequence

from autonoise.ops.text_draws import TextDraws
from autonoise.technique.stages import RawNoise


class ManyTexts(RawNoise):
    """Changes many strings at once, each just as :meth:`perturb_text` would with the generator of that string."""

    def perturb_texts(self, texts: Sequence[str], *, strengths: Sequence[float], draws: TextDraws) -> list[str]:
        """Return the changed strings; none of ``texts`` is empty, and each has a strength and draws of its own."""
        raise NotImplementedError


def perturb_all(
    technique: RawNoise, texts: Sequence[str], *, strengths: Sequence[float], draws: TextDraws
) -> list[str]:
    """Let any raw technique change many strings."""
    if isinstance(technique, ManyTexts):
        return technique.perturb_texts(texts, strengths=strengths, draws=draws)
    return [
        technique.perturb_text(text, strength=strength, rng=rng)
        for text, strength, rng in zip(texts, strengths, draws.generators(), strict=True)
    ]
