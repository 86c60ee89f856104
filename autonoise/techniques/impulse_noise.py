"""Set single values of images to black or white (salt and pepper noise)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import clip_, in_blocks
from autonoise.ops.random import rand
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.IMPULSE,
    reference="Gonzalez & Woods 2018, Digital Image Processing, 5.2",
)
class ImpulseNoise(InputNoise):
    """Set a fraction of the values of each image to black or white, both equally likely.

    Each value of x (B, C, H, W) is replaced on its own, with probability min(1, ``fraction * strength``).
    """

    keeps_bounds: ClassVar[bool] = True
    fraction: float = ranged(0.005, 0.1, default=0.02, log=True, unit="fraction of values", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        low, high = info.bounds or (0.0, 1.0)
        rate = (self.fraction * strength.float()).clamp(max=1)

        def change(x: Tensor, out: Tensor, rate: Tensor) -> None:
            u = rand(x.shape, rng, rate)
            hit = torch.lt(u, rate, out=torch.empty_like(out))
            dark = torch.lt(u, rate / 2, out=torch.empty_like(out))
            # x (1 - hit) + high (hit - dark) + low dark is exact, since both masks are 0 or 1
            clip_(torch.addcmul(x, x, hit, value=-1, out=out), info.bounds)
            out.add_(hit.sub_(dark), alpha=high)
            if low:
                out.add_(dark, alpha=low)

        return in_blocks(change, x, rate)
