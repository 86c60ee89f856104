"""Mix chains of simple operations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import beta, numpy_generator, randint
from autonoise.ranges import ranged, whole
from autonoise.stages import InputNoise
from autonoise.technique import technique
from autonoise.types import BatchInfo, Family

# The paper's list without solarise; none of them is an evaluation corruption of the usual suites.
_LARGEST = {
    "autocontrast": 1.0,
    "equalise": 1.0,
    "posterise": 8.0,
    "rotate": 30.0,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 1 / 3,
    "translate_y": 1 / 3,
}


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    also={Family.PHOTOMETRIC, Family.QUANTISATION},
    reference="Hendrycks 2020, AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
)
class Augmix(InputNoise):
    """x + strength * m * (sum_k w_k chain_k(x) - x), m ~ Beta(alpha, alpha), w ~ Dirichlet(alpha).

    Each of ``width`` chains applies 1 to ``depth`` random operations at levels U(0.1, severity) of 10. The
    consistency loss of the paper is the technique two_view_consistency. x: (B, C, H, W) in 0..1.
    """

    severity: float = ranged(1.0, 10.0, default=3.0, unit="tenths of the largest", minimum=0.1, maximum=10.0)
    width: int = whole(2, 4, default=3, maximum=16)
    depth: int = whole(1, 4, default=3, maximum=8)
    alpha: float = ranged(0.3, 3.0, default=1.0, log=True, minimum=0.01, maximum=100.0)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        size = len(x) * self.width
        wide = widen(x).clamp(0, 1)
        chains = wide.repeat(self.width, 1, 1, 1)
        depth = randint(self.depth + 1, (size,), rng, x, low=1)
        for position in range(self.depth):
            pick, amount = self._draw(size, rng, x)
            chains = apply_operations(chains, tuple(_LARGEST), pick.where(depth > position, -1), amount)
        shares = numpy_generator(rng).dirichlet([self.alpha] * self.width, len(x)).astype(np.float32)
        weight = torch.from_numpy(shares).to(wide)
        mixed = torch.einsum("bk,kbchw->bchw", weight, chains.reshape(self.width, *x.shape))
        m = (beta(self.alpha, len(x), rng, x) * flat(strength)).clamp(0, 1)
        return torch.lerp(wide, mixed, m.to(wide.dtype).reshape(-1, 1, 1, 1)).to(x.dtype)

    def _draw(self, size: int, rng: Generator, like: Tensor) -> tuple[Tensor, Tensor]:
        """An operation and its amount for each of ``size`` images."""
        pick = randint(len(_LARGEST), (size,), rng, like)
        u = torch.rand(2, size, generator=rng, device=like.device)
        level = (0.1 + (self.severity - 0.1) * u[0]) / 10
        largest = torch.tensor(list(_LARGEST.values()), device=like.device)[pick]
        sign = torch.where(u[1] < 0.5, -1.0, 1.0)
        amount = level * largest * sign
        amount = amount.masked_fill(pick < 2, 1.0)  # autocontrast and equalise have no level
        # the paper starts at 4 of 8 bits
        return pick, torch.where(pick == list(_LARGEST).index("posterise"), 4 + level * 4, amount)
