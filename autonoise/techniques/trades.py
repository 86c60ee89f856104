"""Trade accuracy on the batch against equal predictions on its worst neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.attack import inside_box
from autonoise.ops.masks import movable
from autonoise.ops.random import randn_like
from autonoise.technique import BatchInfo, ConsistencyTechnique, DataType, Family, ranged, technique, whole

START = 1 / 31
"""Size of the random start as a share of eps: 0.001 where eps is 0.031, as in the authors' code. At x itself the
gradient is 0."""


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    also={Family.ADVERSARIAL},
    reference="Zhang et al. 2019, Theoretically principled trade-off between robustness and accuracy (TRADES)",
)
class Trades(ConsistencyTechnique):
    """Add strength * weight * KL(p(x) | p(x')), averaged over the batch; x' is where the predictions differ most.

    x' is found by ``steps`` steps of 2.5 eps / steps along the sign of the gradient of that divergence, from x plus a
    little normal noise, and no value of x' lies further than eps from x. Labels are not used for it. x is the noisy
    batch, and of a text its embedding. The authors use 10 steps and the weight 6; their inner model is in eval mode,
    here it is in training mode with equal dropout masks in all passes.
    """

    views: ClassVar[int] = 2
    source = "moved"

    # 0.031, the authors' value for images of the range 0 to 1, is eight of 255 grey values
    eps: float = ranged(0.004, 0.2, default=0.031, log=True, unit="full range, std or embedding RMS", maximum=5.0)
    weight: float = ranged(1.0, 6.0, default=6.0, log=True, unit="loss per nat", maximum=1e4)
    steps: int = whole(1, 5, default=1, maximum=12)

    @property
    def passes(self) -> float:
        # a gradient is a pass; the predictions p(x) that it is taken against are a forward pass, a third of one
        return 2 + self.steps + 1 / 3

    def move(self, x: Tensor, *, gradient: Callable[[Tensor], Tensor], rng: Generator, info: BatchInfo) -> Tensor:
        radius, mask = (x.new_ones(()) * (self.eps * info.unit)).to(x.dtype), movable(x, info)
        moved = inside_box(x, START * radius * randn_like(x, rng), radius, mask, info)
        for _ in range(self.steps):
            ascent = moved - x + 2.5 / self.steps * radius * gradient(moved).sign()
            moved = inside_box(x, ascent, radius, mask, info)
        return moved

    def compare(self, logits: Tensor) -> Tensor:
        here, there = logits.log_softmax(2).unbind(0)
        return self.weight * (here.exp() * (here - there)).sum(1).mean()
