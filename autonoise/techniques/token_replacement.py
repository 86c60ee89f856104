from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.tokens import choose_tokens, random_tokens
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"text"},
    family=Family.TOKEN_EDIT,
    reference="Wang et al. 2018, SwitchOut: an Efficient Data Augmentation Algorithm for Neural Machine Translation",
)
class TokenReplacement(InputNoise):
    """Replace each token, with probability ``strength * fraction``, by a random token of the vocabulary.

    x: ids (B, L). All tokens of the vocabulary are equally likely, except padding and special tokens, which are neither
    replaced nor drawn.
    """

    fraction: float = ranged(0.02, 0.3, default=0.1, unit="tokens", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        chosen = choose_tokens(x, self.fraction * strength, rng, info)
        return torch.where(chosen, random_tokens(x, rng, info.spec, technique=self.name), x)
