"""Move the targets towards the uniform distribution."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.technique import DataType, Family, TargetNoise, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.LABEL,
    reference="Szegedy et al. 2016, Rethinking the Inception architecture for computer vision",
)
class LabelSmoothing(TargetNoise):
    """Mix the targets with the uniform distribution: (1 - s) * y + s / C, s = min(strength * smoothing, 1).

    y: (B, C), each row summing to 1. At s = 0 the targets do not change; at s = 1 all classes are equally likely. The
    default of 0.1 is the paper's.
    """

    tags: ClassVar[frozenset[str]] = frozenset({"label_softening"})
    conflicts: ClassVar[frozenset[str]] = frozenset({"label_softening"})

    smoothing: float = ranged(0.0, 0.2, default=0.1, unit="share of the target", maximum=1.0)

    def perturb(self, y: Tensor, *, strength: Tensor, rng: Generator) -> Tensor:
        share = (strength * self.smoothing).clamp(0, 1)
        return torch.lerp(y, y.new_full((), 1 / y.shape[1]), share)
