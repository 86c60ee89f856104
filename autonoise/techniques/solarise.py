"""Invert the bright pixels of an image."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.ops.buffers import clip_, in_blocks
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.PHOTOMETRIC,
    reference="Cubuk et al. 2019, AutoAugment: Learning augmentation strategies from data",
)
class Solarise(InputNoise):
    """Move values above a threshold t towards their inverse: x + strength * ((1 - x) - x) where x > t.

    x: (B, C, H, W) in 0..1. At strength 1 this is the paper's operation; at strength 0 the image does not change.
    """

    keeps_bounds: ClassVar[bool] = True
    threshold: float = ranged(0.3, 0.95, default=0.7, unit="full range", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        def change(x: Tensor, out: Tensor, share: Tensor) -> None:
            # what does not lie above the threshold becomes 1/2, whose distance from 1/2 is 0: no mask is needed
            beyond = F.threshold(x, self.threshold, 0.5).sub_(0.5)
            clip_(torch.addcmul(x, beyond, share, value=-2, out=out), info.bounds)

        return in_blocks(change, x, strength.clamp(max=1.0))
