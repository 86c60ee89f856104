"""Blank out tokens, dimensions or a stretch of the embedding of a text."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import movable, numbers
from autonoise.ops.precision import flat
from autonoise.technique import BatchInfo, Family, choice, ranged, stages, technique


@technique(
    data_types={"text"},
    family=Family.FEATURE,
    also={Family.TOKEN_EDIT},
    reference="Shen et al. 2020, A Simple but Tough-to-Beat Data Augmentation Approach for Natural Language "
    "Understanding and Generation",
)
class Cutoff(stages.EmbeddingNoise):
    """Set a share r = strength * ratio of the embedding h (B, L, E) of each text to 0.

    The kind ``token`` blanks each token with probability r, ``feature`` each of the E dimensions, for all tokens of the
    text, with probability r, and ``span`` one stretch of r of the text's tokens at a random place; a part of a token in
    that share is rounded up or down at random. Padding and special tokens are neither blanked nor counted.

    The authors add a loss for consistent predictions: use ``two_view_consistency`` for one.
    """

    exact: ClassVar[bool] = True

    ratio: float = ranged(0.02, 0.4, default=0.1, log=True, unit="share of the embedding", maximum=1.0)
    kind: str = choice("span", "token", "feature")

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        mask, rows = movable(h, info), len(h)
        rate = (self.ratio * flat(strength)).clamp(0, 1)[:, None]
        if self.kind == "feature":
            gone = numbers(rate[:, None], torch.Size((rows, 1, h.shape[2])), rng, h.dtype)
            return h * (1 - (gone if mask is None else gone * mask))
        real = (
            h.new_ones(rows, h.shape[1]) if mask is None else mask.reshape(len(mask), -1).to(h.dtype).expand(rows, -1)
        )
        if self.kind == "token":
            gone = numbers(rate, real.shape, rng, h.dtype)
        else:
            place, count = real.float().cumsum(1) - 1, real.float().sum(1, keepdim=True)
            u = torch.rand(2, rows, 1, generator=rng, device=h.device)
            width = (rate * count + u[0]).floor()
            start = (u[1] * (count - width + 1)).floor()
            gone = ((place >= start) & (place < start + width)).to(h.dtype)
        return h * (1 - gone * real)[:, :, None]
