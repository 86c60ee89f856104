"""Dropout of contiguous regions of a feature map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.errors import AttachError
from autonoise.ops.masks import chance
from autonoise.ranges import ranged, whole
from autonoise.stages import ActivationNoise
from autonoise.technique import technique
from autonoise.types import BatchInfo, Family


@technique(
    data_types={"image", "timeseries", "audio"},
    family=Family.FEATURE,
    also={Family.OCCLUSION},
    reference="Ghiasi, Lin & Le 2018, DropBlock: a regularization method for convolutional networks",
)
class DropBlock(ActivationNoise):
    """Set blocks of ``block`` positions a side to 0 so that a share r = strength * p is gone; rescale the rest.

    h: (B, C, L), (B, C, H, W), or a vector (B, C) whose blocks are single units. Block centres fall with
    probability 1 - (1 - r)^(1 / block^n), also outside the border, which makes r exact at every position (the
    paper's formula neglects overlaps). What is left is divided by its realised share, per sample, as in the paper.
    """

    p: float = ranged(0.0, 0.3, default=0.1, unit="share of positions", maximum=0.95)
    block: int = whole(3, 7, default=5, unit="positions", maximum=1024)

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        places = h.ndim - 2
        if places > 2:
            raise AttachError(f"drop_block works on maps of 1 or 2 dimensions, but got {tuple(h.shape)}; give it a site")
        side = min(self.block, *h.shape[2:]) if places else 1
        rate = (strength.float() * self.p).clamp(0, 0.95)
        centre = 1 - (1 - rate) ** (1 / side**places)
        mask = chance(centre, (*h.shape[:2], *(n + side - 1 for n in h.shape[2:])), rng).to(h.dtype)
        if side > 1:
            mask = (F.max_pool1d if places == 1 else F.max_pool2d)(mask, side, stride=1)
        keep = 1 - mask
        share = keep.float().mean(tuple(range(1, h.ndim)), keepdim=True).clamp(min=0.05)
        return h * keep / share.to(h.dtype)
