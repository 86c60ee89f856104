from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.random import rand
from autonoise.ops.tokens import choose_tokens
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique, whole


@technique(
    data_types={"text"},
    family=Family.TOKEN_ORDER,
    reference="Lample et al. 2018, Unsupervised Machine Translation Using Monolingual Corpora Only",
)
class TokenShuffle(InputNoise):
    """Move each token, with probability ``strength * fraction``, behind the next 1 .. ``window`` tokens.

    x: ids (B, L). No token moves more than ``window`` places. Padding and special tokens keep their places, and no
    token moves across them. At large fractions the moves overlap and partly undo each other.
    """

    fraction: float = ranged(0.02, 0.3, default=0.1, unit="tokens", maximum=1.0)
    # 3 places are the paper's value
    window: int = whole(1, 5, default=3, unit="tokens")

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return "the texts have one token" if spec.layout == (1,) else ""

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        reach = self.window + 1
        moves = choose_tokens(x, self.fraction * strength * reach / self.window, rng, info)
        place = torch.arange(x.shape[1], device=x.device).expand_as(x)
        u = rand(x.shape, rng, x)
        # tokens are sorted by this key; a token whose key grows by less than 1, as one in ``reach`` does, does not move
        key = place + moves * reach * u
        if info.valid is None:
            return x.gather(1, key.argsort(dim=1, stable=True))
        valid = info.valid.expand_as(x)
        end = _end_of_segment((~valid).cumsum(1), place)
        key = torch.where(valid, torch.minimum(key, end + u * moves), place)
        return x.gather(1, key.argsort(dim=1, stable=True))


def _end_of_segment(segment: Tensor, place: Tensor) -> Tensor:
    """Return, for each place, the last place of its segment; an invalid token ends one segment and starts the next."""
    last = torch.zeros_like(place).scatter_reduce(1, segment, place, "amax")
    return last.gather(1, segment)
