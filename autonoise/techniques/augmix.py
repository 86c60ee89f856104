"""Mix each image with several randomly augmented versions of it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.augmix_operations import NAMES, draw_operations
from autonoise.ops.devices import on_device
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import beta, numpy_generator, picks
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    also={Family.PHOTOMETRIC, Family.QUANTISATION},
    reference="Hendrycks 2020, AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
)
class Augmix(InputNoise):
    """Compute x + strength * m * (sum_k w_k chain_k(x) - x), m ~ Beta(alpha, alpha), w ~ Dirichlet(alpha).

    A chain is a row of random operations applied to the image one after the other. There are ``width`` chains, each of
    1 to ``depth`` operations, and each operation draws a level of its own from U(0.1, severity) on a scale of 10.
    Severity 3, the paper's, rotates by up to 9 degrees, shears by up to 0.09 and shifts by up to a tenth of the side.

    The paper adds a loss for consistent predictions: use the technique two_view_consistency with weight 12 for it.
    Without it, this is the variant that the paper calls "no JSD". x: (B, C, H, W) in 0..1.
    """

    version: ClassVar[int] = 2  # version 1 lacked solarise and did not round to whole pixels, degrees and bits

    severity: float = ranged(1.0, 10.0, default=3.0, unit="tenths of the largest", minimum=0.1, maximum=10.0)
    width: int = whole(2, 4, default=3, maximum=16)
    depth: int = whole(1, 4, default=3, maximum=8)
    alpha: float = ranged(0.3, 3.0, default=1.0, log=True, minimum=0.01, maximum=100.0)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        size = len(x) * self.width
        wide = widen(x).clamp(0, 1)
        chains = wide.repeat(self.width, 1, 1, 1)
        depth = picks(self.depth + 1, size, rng, low=1)
        for position in range(self.depth):
            pick, amount = draw_operations(self.severity, size, rng, x)
            chains = apply_operations(chains, NAMES, pick.where(depth > position, -1), amount)
        shares = numpy_generator(rng).dirichlet([self.alpha] * self.width, len(x)).astype(np.float32)
        weight = on_device(torch.from_numpy(shares).to(wide.dtype), wide.device)
        mixed = torch.einsum("bk,kbchw->bchw", weight, chains.reshape(self.width, *x.shape))
        # a strength above 1 cannot take more than the whole mixture
        m = (beta(self.alpha, len(x), rng, x) * flat(strength)).clamp(0, 1)
        return torch.lerp(wide, mixed, m.to(wide.dtype).reshape(-1, 1, 1, 1)).to(x.dtype)
