"""Move the input one step along the sign of the loss's gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from autonoise.ops.attack import inside_box
from autonoise.ops.masks import movable
from autonoise.ops.random import rand_like
from autonoise.technique import AdversarialNoise, BatchInfo, DataType, Family, choice, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.ADVERSARIAL,
    reference="Goodfellow et al. 2015, Explaining and harnessing adversarial examples; "
    "Wong et al. 2020, Fast is better than free",
)
class FGSM(AdversarialNoise):
    """Move x by d = clip(d0 + 1.25 r sign(gradient of the loss at x + d0), -r, r), where r = strength * eps.

    x: (B, ...), the input, or the embedding of a text. eps is in fractions of the full range (image, audio), in
    standard deviations of the training data (table, series) or in RMS of the embedding (text). In tables only numeric
    columns move. The start d0 is uniform in [-r, r] (``random``) or 0 (``zero``); a random start and steps of 1.25 r
    are from Wong et al. and guard against catastrophic overfitting, by which a model resists this one attack only.
    """

    # a quarter to eight of the 255 grey values of an image; eight is the usual radius in papers about CIFAR-10
    eps: float = ranged(
        0.25 / 255, 8 / 255, default=2 / 255, log=True, unit="full range, std or embedding RMS", maximum=5.0
    )
    start: str = choice("random", "zero")

    @property
    def passes(self) -> float:
        return 2.0

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
        first = radius * (2 * rand_like(x, rng) - 1) if self.start == "random" else torch.zeros_like(x)
        moved = inside_box(x, first, radius, mask, info)
        ascent = moved - x + 1.25 * radius * gradient(moved).sign()
        return inside_box(x, ascent, radius, mask, info)
