"""Ask for the same prediction where a small change of the input alters it most (virtual adversarial training)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.attack import length
from autonoise.ops.masks import movable
from autonoise.ops.random import randn_like
from autonoise.technique import BatchInfo, ConsistencyTechnique, DataType, Family, ranged, technique, whole

PROBE = 0.1
"""Size of the change at which the gradient is taken, as a share of eps: small, so that the gradient points in the
direction of the largest curvature, and yet so large that the predictions differ by more than rounding."""


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    also={Family.ADVERSARIAL},
    reference="Miyato et al. 2018, Virtual adversarial training",
)
class VAT(ConsistencyTechnique):
    """Add strength * weight * KL(p(x) | p(x + r)), averaged over the batch, with no gradient through p(x).

    r is the change of the given size that alters the prediction most, found by power iteration: d is drawn at random,
    then ``iterations`` times d = g / |g| with g the gradient of KL(p(x) | p(x + 0.1 r)) at r = size * d. Labels are not
    used. x is the noisy batch, and of a text its embedding; r has the root mean square ``eps`` over the values of a
    sample that may move, so that its norm is eps * sqrt(number of values).
    """

    views: ClassVar[int] = 2
    source = "moved"

    eps: float = ranged(0.005, 0.2, default=0.05, log=True, unit="full range, std or embedding RMS", maximum=5.0)
    # 1 is the paper's weight
    weight: float = ranged(0.1, 5.0, default=1.0, log=True, unit="loss per nat", maximum=1e4)
    # the paper finds no gain from more than one
    iterations: int = whole(1, 2, default=1, maximum=10)

    @property
    def passes(self) -> float:
        # a gradient is a pass; the predictions p(x) that it is taken against are a forward pass, a third of one
        return 2 + self.iterations + 1 / 3

    def move(self, x: Tensor, *, gradient: Callable[[Tensor], Tensor], rng: Generator, info: BatchInfo) -> Tensor:
        mask = movable(x, info)
        free = torch.ones_like(x) if mask is None else mask.to(x.dtype).expand_as(x)
        size = self.eps * info.unit * length(free)
        direction = free * randn_like(x, rng)
        for _ in range(self.iterations):
            direction = free * gradient(x + PROBE * size * direction / length(direction))
        # rows whose prediction does not change have no direction, and stay as they are
        return x + size * direction / length(direction)

    def compare(self, logits: Tensor) -> Tensor:
        here, there = logits.log_softmax(2).unbind(0)
        here = here.detach()
        return self.weight * (here.exp() * (here - there)).sum(1).mean()
