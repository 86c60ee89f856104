"""Replace labels at random."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import chance
from autonoise.ops.random import randint
from autonoise.technique import DataType, Family, ranged, stages, technique


@technique(
    data_types=set(DataType),
    family=Family.LABEL,
    reference="Xie et al. 2016, DisturbLabel: Regularizing CNN on the loss layer",
)
class TargetNoise(stages.TargetNoise):
    """Replace a target, with probability min(strength * fraction, 1), by a class drawn uniformly from all C.

    y: (B, C). The drawn class may be the old one, so at strength 1 a share fraction * (C - 1) / C of the labels really
    changes. Each batch draws anew, so no label stays wrong for the whole training.
    """

    fraction: float = ranged(0.01, 0.2, default=0.05, log=True, unit="share of samples", maximum=1.0)

    def perturb(self, y: Tensor, *, strength: Tensor, rng: Generator) -> Tensor:
        classes = y.shape[1]
        hit = chance((strength * self.fraction).clamp(0, 1), (y.shape[0], 1), rng)
        drawn = randint(classes, (y.shape[0],), rng, y)
        return torch.where(hit, torch.nn.functional.one_hot(drawn, classes).to(y.dtype), y)
