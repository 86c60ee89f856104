from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops.tokens import choose_tokens, placeholder
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_EDIT,
    reference="Bowman et al. 2016, Generating Sentences from a Continuous Space",
)
class WordDropout(InputNoise):
    """Replace each token by the unknown token with probability ``strength * fraction``.

    x: ids (B, L). Padding and special tokens do not change. This also trains the embedding of the unknown token. If the
    input description has no unknown token, the mask token is used instead.
    """

    fraction: float = ranged(0.02, 0.3, default=0.1, unit="tokens", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        chosen = choose_tokens(x, self.fraction * strength, rng, info)
        return x.masked_fill(chosen, placeholder(info.spec, prefer="unknown", technique=self.name))
