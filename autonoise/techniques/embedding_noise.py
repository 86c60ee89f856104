"""Add Gaussian noise to word embeddings."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import movable, rms
from autonoise.ops.random import randn_like
from autonoise.technique import BatchInfo, Family, ranged, stages, technique


@technique(
    data_types={"text"},
    family=Family.FEATURE,
    reference="Zhang & Yang 2018, Word embedding perturbation for sentence classification",
)
class EmbeddingNoise(stages.EmbeddingNoise):
    """Add Gaussian noise to the embedding h: h + strength * sigma * RMS(h) * n, n ~ N(0, 1).

    h (B, L, E) is the output of the input embedding. The RMS of each sample is taken over its real tokens, so padding
    does not count.
    """

    exact: ClassVar[bool] = True

    sigma: float = ranged(0.01, 0.5, default=0.1, log=True, unit="RMS of the embedding", maximum=10.0)

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return torch.addcmul(h, strength * self.sigma * rms(h, movable(h, info)), randn_like(h, rng))
