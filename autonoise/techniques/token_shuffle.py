from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.random import randint
from autonoise.ops.tokens import choose_tokens
from autonoise.ranges import ranged, whole
from autonoise.stages import InputNoise
from autonoise.technique import technique
from autonoise.types import BatchInfo, Family


@technique(
    data_types={"text"}, family=Family.TOKEN_ORDER,
    reference="Lample et al. 2018, Unsupervised Machine Translation Using Monolingual Corpora Only",
)
class TokenShuffle(InputNoise):
    """Move each token, with probability ``strength * fraction``, behind the 1 .. ``window`` tokens that follow it.

    x: ids (B, L). No token ends more than ``window`` places from where it was. Padding and special tokens keep
    their places, and nothing moves across them.
    """

    fraction: float = ranged(0.02, 0.3, default=0.1, unit="tokens", maximum=1.0)
    window: int = whole(1, 5, default=3, unit="tokens")

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        moves = choose_tokens(x, self.fraction * strength, rng, info)
        place = torch.arange(x.shape[1], device=x.device).expand_as(x)
        # in half places: a token that moves by d sorts just behind the token d places on
        key = 2 * place + moves * (2 * randint(self.window + 1, tuple(x.shape), rng, x, low=1) + 1)
        if info.valid is None:
            return x.gather(1, key.argsort(dim=1, stable=True))
        valid = info.valid.expand_as(x)
        segment = (~valid).cumsum(1)
        key = torch.where(valid, torch.minimum(key, 2 * _end_of_segment(segment, place) + 1), 2 * place)
        return x.gather(1, key.argsort(dim=1, stable=True))


def _end_of_segment(segment: Tensor, place: Tensor) -> Tensor:
    """The last place of each place's segment; a segment starts at an invalid token, which ends the one before."""
    last = torch.zeros_like(place).scatter_reduce(1, segment, place, "amax")
    return last.gather(1, segment)
