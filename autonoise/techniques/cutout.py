"""Cover a random square of each image."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.boxes import box_mask, each_box, quick_alone
from autonoise.ops.buffers import clip_, copied
from autonoise.ops.precision import flat, widen
from autonoise.technique import BatchInfo, Family, InputNoise, choice, ranged, technique


@technique(
    data_types={"image"},
    family=Family.OCCLUSION,
    reference="DeVries 2017, Improved Regularization of Convolutional Neural Networks with Cutout",
)
class Cutout(InputNoise):
    """Cover one square of round(side * strength * shorter side) pixels in each image.

    The square's centre is drawn uniformly over the image, so a part of the square may lie outside. It is filled with
    mid-grey (0.5), or with the image's mean in each channel (``mean``). x: (B, C, H, W) in 0..1.
    """

    keeps_bounds: ClassVar[bool] = True
    side: float = ranged(0.1, 0.6, default=0.4, unit="fraction of the side", maximum=2.0)
    fill: str = choice("mean", "grey")

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        height, width = x.shape[-2:]
        pixels = (self.side * flat(strength) * min(height, width)).round()
        centre = torch.rand(2, len(x), generator=rng, device=x.device)
        top = (centre[0] * height).floor() - (pixels / 2).floor()
        left = (centre[1] * width).floor() - (pixels / 2).floor()
        fill = x.new_full((1, 1, 1, 1), 0.5)
        if self.fill == "mean":
            fill = widen(x).mean((2, 3), keepdim=True).to(x.dtype)
        fill = fill.expand(*x.shape[:2], 1, 1)
        if not quick_alone(x):
            return clip_(torch.where(box_mask(top, left, pixels, pixels, (height, width)), fill, x), info.bounds)
        out = copied(x, info.bounds)
        boxes = each_box(top, left, pixels, pixels, (height, width))
        for image, value, (rows, columns) in zip(out.numpy(), fill.numpy(), boxes, strict=True):
            image[:, rows, columns] = value
        return out
