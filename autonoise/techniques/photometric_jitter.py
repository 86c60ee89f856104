"""Change brightness, contrast and gamma of images with any number of channels."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import in_blocks, put
from autonoise.ops.powers import power_
from autonoise.ops.precision import flat, signed, widen
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.PHOTOMETRIC,
    reference="Howard 2013, Some Improvements on Deep Convolutional Neural Network Based Image Classification",
)
class PhotometricJitter(InputNoise):
    """Change brightness, contrast and gamma: c (x^g - m) + m + b, where m is the image's mean of x^g.

    b = strength * brightness * u, c = 1 + strength * contrast * u and log2 g = strength * gamma * u, where each image
    draws a u ~ U(-1, 1) of its own for each of the three. x: (B, C, H, W) in 0..1; values outside are clipped first.
    """

    keeps_bounds: ClassVar[bool] = True
    brightness: float = ranged(0.0, 0.4, default=0.2, unit="full range", maximum=1.0)
    contrast: float = ranged(0.0, 0.7, default=0.4, unit="factor", maximum=1.0)
    gamma: float = ranged(0.0, 1.0, default=0.5, unit="octaves", maximum=4.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        u = flat(strength)[:, None] * signed((len(x), 3), rng, x)
        u = u.to(torch.promote_types(x.dtype, torch.float32))
        bright, contrast, octaves = u.T.reshape(3, -1, 1, 1, 1)
        factors = (1 + self.contrast * contrast).clamp(min=0)

        def change(x: Tensor, out: Tensor, shift: Tensor, factor: Tensor, power: Tensor) -> None:
            wide = widen(x).clamp(0, 1)
            if self.gamma:
                power_(wide, power)
            mean = wide.mean((1, 2, 3), keepdim=True)
            put(wide.mul_(factor).add_(mean * (1 - factor) + shift), out, info.bounds)

        return in_blocks(change, x, self.brightness * bright, factors, torch.exp2(self.gamma * octaves))
