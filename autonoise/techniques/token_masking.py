from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops.tokens import choose_tokens, placeholder
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_EDIT,
    reference="Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
)
class TokenMasking(InputNoise):
    """Replace each token by the mask token with probability ``strength * fraction``.

    x: ids (B, L). Padding and special tokens do not change. If the input description has no mask token, the unknown
    token is used instead.
    """

    fraction: float = ranged(0.02, 0.3, default=0.1, unit="tokens", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        chosen = choose_tokens(x, self.fraction * strength, rng, info)
        return x.masked_fill(chosen, placeholder(info.spec, prefer="mask", technique=self.name))
