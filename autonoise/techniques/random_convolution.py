from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.ops.devices import on_device
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import picks, rand, randint, randn
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
        centred = wide - 0.5
        out = self._one_by_one(centred, rng) if x.device.type == "cpu" else self._at_once(centred, rng)
        amount = self.share * flat(strength).clamp(max=1).to(wide.dtype) * rand((len(x),), rng, wide)
        return centred.lerp_(out, amount.reshape(-1, 1, 1, 1)).add_(0.5).to(x.dtype)

    def _one_by_one(self, centred: Tensor, rng: Generator) -> Tensor:
        """Convolve the images with the smallest kernels first, then the next ones; a small kernel takes less time."""
        out, x = torch.empty_like(centred), centred
        pick = picks((self.largest + 1) // 2, len(x), rng)
        channels = x.shape[1]
        for half in range((self.largest + 1) // 2):
            rows, side = on_device((pick == half).nonzero()[:, 0], x.device), 2 * half + 1
            if len(rows):
                # one group of the convolution for each image
                kernel = randn((len(rows) * channels, channels, side, side), rng, x)
                kernel = kernel * math.sqrt(2 / (channels * side**2))
                images = x[rows].reshape(1, -1, *x.shape[2:])
                out[rows] = F.conv2d(images, kernel, padding=half, groups=len(rows)).view(len(rows), *x.shape[1:])
        return out

    def _at_once(self, x: Tensor, rng: Generator) -> Tensor:
        """Convolve all images in one call, as suits a GPU."""
        rows, channels = x.shape[:2]
        half = randint((self.largest + 1) // 2, (rows,), rng, x)
        side = 2 * ((self.largest + 1) // 2) - 1
        return convolved_at_once(x, randn((rows, channels, channels, side, side), rng, x), half)


def convolved_at_once(x: Tensor, draws: Tensor, half: Tensor) -> Tensor:
    """Convolve each image of x (B, C, H, W) with the middle (2 half + 1)^2 weights of its ``draws`` (B, C, C, K, K).

    ``half`` is (B,). The weights are multiplied by sqrt(2 / (C (2 half + 1)^2)).
    """
    rows, channels = x.shape[:2]
    reach = draws.shape[-1] // 2
    place = torch.arange(-reach, reach + 1, device=x.device).abs()
    half = half.reshape(-1, 1, 1, 1, 1)
    kernel = draws * (place.maximum(place[:, None]) <= half) * (math.sqrt(2 / channels) / (2 * half + 1))
    kernel, images = kernel.flatten(0, 1), x.reshape(1, -1, *x.shape[2:])
    # cuDNN may look for its fastest way anew for each number of images, which takes longer than a step of training: it
    # meets multiples of 16 only
    spare = -rows % 16
    if spare:
        kernel = F.pad(kernel, (0, 0, 0, 0, 0, 0, 0, spare * channels))
        images = F.pad(images, (0, 0, 0, 0, 0, spare * channels))
    # one group of the convolution for each image
    out = F.conv2d(images, kernel, padding=reach, groups=rows + spare)
    return out[0, : rows * channels].view(x.shape)
