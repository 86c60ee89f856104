"""Replace a random rectangle of each image by noise."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.boxes import box_mask, each_box, quick_alone
from autonoise.ops.buffers import clip_, copied
from autonoise.ops.masks import coarse_rand
from autonoise.ops.precision import flat
from autonoise.ops.random import rand_like
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique

# Both limits are the paper's: the smallest share of the image that is erased, and the natural logarithm of the largest
# ratio between the longer and the shorter side of the rectangle.
_SMALLEST = 0.02
_LOG_ASPECT = math.log(1 / 0.3)


@technique(
    data_types={"image"},
    family=Family.OCCLUSION,
    reference="Zhong 2020, Random Erasing Data Augmentation",
)
class RandomErasing(InputNoise):
    """Fill one rectangle of each image with uniform noise.

    Its share of the image is strength * U(0.02, area). Its ratio of height to width is log-uniform in 0.3..1/0.3, as
    far as such a rectangle fits, and its place is uniform inside the image. x: (B, C, H, W) in 0..1.
    """

    version: ClassVar[int] = 2
    changes: ClassVar[str] = "the same seed gives other numbers inside the rectangle, whose distribution is the same"
    keeps_bounds: ClassVar[bool] = True
    # 0.33 is torchvision's default
    area: float = ranged(0.05, 0.4, default=0.33, unit="image area", minimum=_SMALLEST, maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        height, width = x.shape[-2:]
        u = torch.rand(4, len(x), generator=rng, device=x.device)
        # at least 1e-9, because the logarithm of the share is needed
        share = (flat(strength) * (_SMALLEST + (self.area - _SMALLEST) * u[0])).clamp(1e-9, 1)
        # ``low`` and ``high`` bound log((h / H) / (w / W)); large shares allow less, so that both sides fit the image
        centre, limit = math.log(width / height), -share.log()
        low = (-limit).clamp(min=centre - _LOG_ASPECT).minimum(limit)
        high = limit.clamp(max=centre + _LOG_ASPECT)
        ratio = torch.exp((low + u[1] * (high - low).clamp(min=0)) / 2)
        tall = (share.sqrt() * ratio * height).round().clamp(max=height)
        wide = (share.sqrt() / ratio * width).round().clamp(max=width)
        top = (u[2] * (height - tall + 1)).floor()
        left = (u[3] * (width - wide + 1)).floor()
        if not quick_alone(x):
            inside = box_mask(top, left, tall, wide, (height, width))
            return clip_(torch.where(inside, rand_like(x, rng), x), info.bounds)
        out, channels = copied(x, info.bounds), x.shape[1]
        areas = (tall * wide).long() * channels
        noise = coarse_rand(int(areas.sum()), rng, x).numpy()
        boxes = each_box(top, left, tall, wide, (height, width))
        start = 0
        for image, area, (rows, columns) in zip(out.numpy(), areas.tolist(), boxes, strict=True):
            box = image[:, rows, columns]
            box[...] = noise[start : start + area].reshape(box.shape)
            start += area
        return out
