"""Train on all points of a gradient ascent around the input."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from autonoise.ops.attack import inside_ball, length
from autonoise.ops.masks import movable
from autonoise.ops.random import rand_like, randint
from autonoise.technique import AdversarialNoise, BatchInfo, DataType, Family, ranged, technique, whole


@technique(
    data_types=set(DataType),
    family=Family.ADVERSARIAL,
    reference="Zhu et al. 2020, FreeLB: Enhanced adversarial training for natural language understanding",
)
class Freelb(AdversarialNoise):
    """Train on the points x + d_0 ... x + d_(K-1), each a step of gradient ascent on the loss from the last.

    A step sets d to project(d + step * r * g / |g|), where g is the gradient and the projection keeps |d| <= r; K is
    ``steps``. Norms are Euclidean over a sample. r = strength * eps * sqrt(n), n the number of its values that may
    change, so that eps is the RMS of the change: in RMS of the embedding (text), else in fractions of the full range or
    standard deviations. The start d_0 is uniform in [-r, r] / sqrt(n).

    The paper averages the loss over the K points. Here each sample draws one of them, which is the same on average and
    costs K - 1 further gradients.
    """

    eps: float = ranged(0.01, 0.3, default=0.05, log=True, unit="full range, std or embedding RMS", maximum=5.0)
    steps: int = whole(2, 5, default=3, unit="points", minimum=2, maximum=50)
    step: float = ranged(0.3, 1.5, default=1.0, unit="radius", maximum=10.0)

    @property
    def passes(self) -> float:
        return float(self.steps)

    def perturb(
        self,
        x: Tensor,
        *,
        gradient: Callable[[Tensor], Tensor],
        strength: Tensor,
        rng: Generator,
        info: BatchInfo,
    ) -> Tensor:
        mask = movable(x, info)
        rows = (-1, *[1] * (x.ndim - 1))
        if mask is None:
            size: Tensor | float = math.sqrt(x[0].numel())
        else:
            size = mask.expand_as(x).flatten(1).sum(1).sqrt().to(x.dtype).reshape(rows)
        eps = self.eps * info.unit * strength
        radius = eps * size
        chosen = randint(self.steps, (x.shape[0],), rng, x).reshape(rows)
        moved = inside_ball(x, eps * (2 * rand_like(x, rng) - 1), radius, mask, info)
        result = moved
        for k in range(1, self.steps):
            ascent = gradient(moved)
            ascent = ascent if mask is None else ascent * mask
            shift = moved - x + self.step * radius * ascent / length(ascent)
            moved = inside_ball(x, shift, radius, mask, info)
            result = torch.where(chosen == k, moved, result)
        return result
