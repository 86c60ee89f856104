"""Set contiguous regions of a feature map to zero."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.errors import AttachError
from autonoise.ops.masks import numbers, spread_rate
from autonoise.technique import ActivationNoise, BatchInfo, DataType, Family, ranged, technique, whole


@technique(
    data_types={"image", "timeseries", "audio"},
    family=Family.FEATURE,
    also={Family.OCCLUSION},
    reference="Ghiasi, Lin & Le 2018, DropBlock: a regularization method for convolutional networks",
)
class DropBlock(ActivationNoise):
    """Set blocks of ``block`` positions a side to 0, which together are a share r = strength * p of all positions.

    h: (B, C, ...); series and audio also (B, tokens, C), where a block is a run of tokens; in (B, C) a block is a
    single unit. Image tokens are refused. Blocks start with probability 1 - (1 - r)^(1 / block^n), n the number of
    dimensions, also where they lie partly outside. Each position is thus dropped with probability r exactly; the
    paper's formula neglects overlaps.

    As in the paper, the rest of each sample is divided by the share that is left, and only the later half of the
    network is used.
    """

    default_site: ClassVar[str] = "late_norm"
    exact: ClassVar[bool] = True
    channels: ClassVar[bool] = True

    p: float = ranged(0.0, 0.3, default=0.1, unit="share of positions", maximum=0.95)
    # the paper uses 7 on the feature maps of ImageNet models; smaller inputs have smaller maps
    block: int = whole(3, 7, default=5, unit="positions", maximum=1024)

    def spread(self, ratio: float) -> Self:
        return replace(self, p=min(spread_rate(self.p, ratio), 0.95))

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        if h.ndim == 3 and info.spec.data_type == DataType.IMAGE:
            raise AttachError(
                f"drop_block needs feature maps (B, C, H, W), but met tokens, {tuple(h.transpose(1, 2).shape)}: name a "
                f"convolution or its norm by sites=, or take spatial_dropout"
            )
        places = range(2, h.ndim)
        side = min(self.block, *h.shape[2:]) if places else 1
        rate = (strength.float() * self.p).clamp(0, 0.95)
        centre = 1 - (1 - rate) ** (1 / side ** len(places))
        shape = (*h.shape[:2], *(n + side - 1 for n in h.shape[2:]))
        if h.device.type != "cpu" and len(places) in (1, 2):
            gone = _pooled(numbers(centre, shape, rng, h.dtype), side)
        else:
            centres = numbers(centre, shape, rng, torch.int16)
            for dim in places:
                centres = _widened(centres, dim, side)
            gone = centres.to(h.dtype)
        share = 1 - gone.mean(tuple(range(1, h.ndim)), keepdim=True, dtype=torch.float32)
        # the lower limit bounds the factor at 20 where nearly everything is dropped
        scale = (1 / share.clamp(min=0.05)).to(h.dtype)
        return h * torch.addcmul(scale, scale, gone, value=-1)


def _pooled(mask: Tensor, side: int) -> Tensor:
    """Return what :func:`_widened` gives along all dimensions from the third on, one or two, in one step for a GPU."""
    pool = F.max_pool1d if mask.ndim == 3 else F.max_pool2d
    pooled: Tensor = pool(mask, side, stride=1)
    return pooled


def _widened(mask: Tensor, dim: int, side: int) -> Tensor:
    """Return 1 where any of ``side`` neighbouring values along ``dim`` is 1.

    The width doubles in each round, which takes a tenth of the time of max pooling.
    """
    width = 1
    while width < side:
        step = min(width, side - width)
        rest = mask.shape[dim] - step
        mask = mask.narrow(dim, 0, rest) | mask.narrow(dim, step, rest)
        width += step
    return mask
