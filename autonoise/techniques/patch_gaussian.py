"""Add Gaussian noise inside a random square of each image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.boxes import box_mask, each_box, quick_alone
from autonoise.ops.buffers import clip_, copied
from autonoise.ops.random import randn_like
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.INDEPENDENT,
    also={Family.OCCLUSION},
    reference="Lopes 2019, Improving Robustness Without Sacrificing Accuracy with Patch Gaussian Augmentation",
)
class PatchGaussian(InputNoise):
    """Add strength * std * n, n ~ N(0, 1), inside one square of each image.

    The square's side is ``side`` times the shorter side of the image. Its centre is drawn uniformly over the image, so
    a part of the square may lie outside. x: (B, C, H, W).
    """

    std: float = ranged(0.05, 1.0, default=0.3, log=True, unit="full range", maximum=10.0)
    side: float = ranged(0.3, 1.0, default=0.8, unit="fraction of the side", maximum=2.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        height, width = x.shape[-2:]
        centre = torch.rand(2, len(x), generator=rng, device=x.device)
        pixels = torch.full((len(x),), round(self.side * min(height, width)), device=x.device)
        top = (centre[0] * height).floor() - pixels // 2
        left = (centre[1] * width).floor() - pixels // 2
        noise, std = randn_like(x, rng), strength * self.std
        if not quick_alone(x):
            return x + std * noise * box_mask(top, left, pixels, pixels, (height, width))
        out = copied(x)
        boxes = each_box(top, left, pixels, pixels, (height, width))
        for image, more, factor, (rows, columns) in zip(out, noise, std.flatten().tolist(), boxes, strict=True):
            image[:, rows, columns].add_(more[:, rows, columns], alpha=factor)
        return clip_(out, info.bounds)
