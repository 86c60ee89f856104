"""Gaussian noise on word embeddings."""

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
    """Add h + strength * sigma * RMS(h) * n, n ~ N(0, 1), with the RMS over the real tokens of each sample.

    h: (B, L, E) output of the input embedding.
    """

    exact: ClassVar[bool] = True

    sigma: float = ranged(0.01, 0.5, default=0.1, log=True, unit="RMS of the embedding", maximum=10.0)

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        return torch.addcmul(h, strength * self.sigma * rms(h, movable(h, info)), randn_like(h, rng))
