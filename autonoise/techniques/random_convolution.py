from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.ops.devices import on_device
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import picks, rand, randn
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"image"},
    family=Family.PHOTOMETRIC,
    also={Family.BLUR},
    reference="Xu et al. 2021, Robust and Generalizable Visual Representation Learning via Random Convolutions",
)
class RandomConvolution(InputNoise):
    """Mix each image with a random convolution of itself: x + strength * share * u * (conv(x) - x), u ~ U(0, 1).

    The kernel is k x k, with k one of the odd numbers up to ``largest``, and its weights are N(0, 2 / (C k^2)): shapes
    larger than k stay, while colours and texture change. As in the authors' code the convolution acts on x - 0.5 and
    mixes all channels. Each image has a kernel of its own. x: (B, C, H, W) in 0..1.
    """

    largest: int = whole(1, 7, default=7, unit="pixels", maximum=31)
    share: float = ranged(0.2, 1.0, default=1.0, unit="share of the convolution", maximum=1.0)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        centred, out = wide - 0.5, torch.empty_like(wide)
        pick = picks((self.largest + 1) // 2, len(x), rng)
        channels = x.shape[1]
        for half in range((self.largest + 1) // 2):
            rows, side = on_device((pick == half).nonzero()[:, 0], x.device), 2 * half + 1
            if len(rows):
                # one group of the convolution for each image
                kernel = randn((len(rows) * channels, channels, side, side), rng, wide)
                kernel = kernel * math.sqrt(2 / (channels * side**2))
                images = centred[rows].reshape(1, -1, *x.shape[2:])
                out[rows] = F.conv2d(images, kernel, padding=half, groups=len(rows)).view(len(rows), *x.shape[1:])
        amount = self.share * flat(strength).clamp(max=1).to(wide.dtype) * rand((len(x),), rng, wide)
        return centred.lerp_(out, amount.reshape(-1, 1, 1, 1)).add_(0.5).to(x.dtype)
