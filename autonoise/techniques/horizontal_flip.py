"""Mirror images left to right at random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import clip_, copied
from autonoise.ops.precision import flat
from autonoise.ops.random import rand
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    reference="Krizhevsky 2012, ImageNet Classification with Deep Convolutional Neural Networks",
)
class HorizontalFlip(InputNoise):
    """Mirror each image left to right with probability ``chance``. x: (B, C, H, W).

    Do not use it where a mirror image belongs to another class or never occurs: digits, letters, road signs, or medical
    images, where left and right differ.
    """

    keeps_bounds: ClassVar[bool] = True
    chance: float = ranged(0.1, 0.5, default=0.5, unit="fraction of images", maximum=1.0)
    multiplier = "probability"

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        rate = self.chance * flat(strength)
        mirrored = rand(rate.shape, rng, rate) < rate
        if x.device.type != "cpu":
            return clip_(torch.where(mirrored.reshape(-1, 1, 1, 1), x.flip(-1), x), info.bounds)
        out = copied(x, info.bounds)
        for row in mirrored.nonzero()[:, 0].tolist():
            out[row] = out[row].flip(-1)
        return out
