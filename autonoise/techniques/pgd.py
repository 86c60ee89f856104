"""Move the input several steps along the sign of the loss's gradient."""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator, Tensor

from autonoise.ops.attack import inside_box
from autonoise.ops.masks import movable
from autonoise.ops.random import rand_like
from autonoise.technique import AdversarialNoise, BatchInfo, DataType, Family, ranged, technique, whole


@technique(
    data_types=set(DataType),
    family=Family.ADVERSARIAL,
    reference="Madry et al. 2018, Towards deep learning models resistant to adversarial attacks",
)
class PGD(AdversarialNoise):
    """Repeat d = clip(d + (2.5 r / K) sign(gradient of the loss at x + d), -r, r) K times, from d ~ U(-r, r).

    r = strength * eps and K = ``steps``. With the paper's factor of 2.5 the K steps together can cross the whole range
    from -r to r. x: (B, ...), the input, or the embedding of a text. eps is in fractions of the full range (image,
    audio), standard deviations of the training data (table, series) or RMS of the embedding (text). A training step
    costs K + 1 passes.
    """

    # a quarter to eight of the 255 grey values of an image; eight is the usual radius in papers about CIFAR-10
    eps: float = ranged(
        0.25 / 255, 8 / 255, default=2 / 255, log=True, unit="full range, std or embedding RMS", maximum=5.0
    )
    steps: int = whole(2, 7, default=3, unit="gradients", maximum=50)

    @property
    def passes(self) -> float:
        return self.steps + 1.0

    def perturb(
        self,
        x: Tensor,
        *,
        gradient: Callable[[Tensor], Tensor],
        strength: Tensor,
        rng: Generator,
        info: BatchInfo,
    ) -> Tensor:
        radius, mask = self.eps * info.unit * strength, movable(x, info)
        moved = inside_box(x, radius * (2 * rand_like(x, rng) - 1), radius, mask, info)
        for _ in range(self.steps):
            ascent = moved - x + (2.5 / self.steps) * radius * gradient(moved).sign()
            moved = inside_box(x, ascent, radius, mask, info)
        return moved
