"""Mirror images left to right at random."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

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

    chance: float = ranged(0.1, 0.5, default=0.5, unit="fraction of images", maximum=1.0)
    multiplier = "probability"

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        rate = self.chance * flat(strength)
        mirrored = rand(rate.shape, rng, rate) < rate
        return torch.where(mirrored.reshape(-1, 1, 1, 1), x.flip(-1), x)
