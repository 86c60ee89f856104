"""Add uniform noise to word embeddings, less for longer texts."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import movable, rms
from autonoise.ops.random import rand_like
from autonoise.technique import BatchInfo, EmbeddingNoise, Family, choice, ranged, technique


@technique(
    data_types={"text"},
    family=Family.FEATURE,
    reference="Jain et al. 2023, NEFTune: Noisy embeddings improve instruction finetuning",
)
class Neftune(EmbeddingNoise):
    """Add uniform noise to the embedding h: h + strength * alpha * c / sqrt(L d) * u, u ~ U(-1, 1).

    h: (B, L, d). L is the number of real tokens of each sample, without padding. With scale ``absolute`` c is 1, as in
    the paper, whatever the size of the embedding: alpha 5, 10 words and d = 64 give noise with an RMS of 0.11, which is
    a ninth of an embedding of standard deviation 1 (torch's default) but five times one of 0.02 (BERT's). With scale
    ``embedding`` c is the RMS of the sample's embeddings, so that alpha means the same in every model.
    """

    exact: ClassVar[bool] = True

    # the paper uses 5, 10 and 15
    alpha: float = ranged(1.0, 15.0, default=5.0, log=True, unit="embedding scale", maximum=1000.0)

    scale: str = choice("absolute", "embedding")

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        real = movable(h, info)
        real = torch.ones_like(h[:, :, :1]) if real is None else real.expand(*h.shape[:2], -1)
        tokens = real[..., 0].float().sum(1)
        size = (tokens.clamp(min=1) * h.shape[2]).rsqrt().to(h.dtype).reshape(-1, 1, 1)
        if self.scale == "embedding":
            size = size * rms(h, movable(h, info))
        return h + strength * self.alpha * size * (2 * rand_like(h, rng) - 1)
