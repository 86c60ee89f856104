"""Mix each image with several randomly augmented versions of it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import beta, numpy_generator, randint
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole

# The nine operations of the paper, with the amount of each at level 10 of 10. None of them is also a corruption of the
# usual robustness benchmarks. Units: rotate in degrees, shear as a tangent, translate as a share of the side, solarise
# in grey values of 256, posterise in bits of 8; autocontrast and equalise are applied in full at every level.
_LARGEST = {
    "autocontrast": 1.0,
    "equalise": 1.0,
    "posterise": 4.0,
    "rotate": 30.0,
    "solarise": 256.0,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 1 / 3,
    "translate_y": 1 / 3,
}
_NAMES = tuple(_LARGEST)


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
        depth = randint(self.depth + 1, (size,), rng, x, low=1)
        for position in range(self.depth):
            pick, amount = self._draw(size, rng, x)
            chains = apply_operations(chains, _NAMES, pick.where(depth > position, -1), amount)
        shares = numpy_generator(rng).dirichlet([self.alpha] * self.width, len(x)).astype(np.float32)
        weight = torch.from_numpy(shares).to(wide)
        mixed = torch.einsum("bk,kbchw->bchw", weight, chains.reshape(self.width, *x.shape))
        # a strength above 1 cannot take more than the whole mixture
        m = (beta(self.alpha, len(x), rng, x) * flat(strength)).clamp(0, 1)
        return torch.lerp(wide, mixed, m.to(wide.dtype).reshape(-1, 1, 1, 1)).to(x.dtype)

    def _draw(self, size: int, rng: Generator, x: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one operation (an index into ``_NAMES``) and its amount for each of ``size`` images of x's shape."""
        pick = randint(len(_NAMES), (size,), rng, x)
        u = torch.rand(2, size, generator=rng, device=x.device)
        # the paper's lowest level is 0.1 of 10
        level = (0.1 + (self.severity - 0.1) * u[0]) / 10
        return pick, amounts(pick, level, torch.where(u[1] < 0.5, -1.0, 1.0), (x.shape[-2], x.shape[-1]))


def amounts(pick: Tensor, level: Tensor, sign: Tensor, side: tuple[int, int]) -> Tensor:
    """Turn levels in 0..1 into the amounts that :func:`apply_operations` takes.

    ``pick`` (n,) holds indices into ``_NAMES``, ``sign`` is 1 or -1 for each, and ``side`` is the images' (H, W).
    """
    largest = torch.tensor(list(_LARGEST.values()), device=pick.device)[pick]
    amount = level * largest

    def chosen(name: str) -> Tensor:
        return pick == _NAMES.index(name)

    whole = amount.floor()
    # as in the authors' code, posterise removes at least 4 of the 8 bits
    out = torch.where(chosen("posterise"), 4 + whole, amount * sign)
    out = torch.where(chosen("rotate"), whole * sign, out)
    # a whole number n inverts the grey values from 256 - n on; the 0.5 puts the limit between two grey values
    out = torch.where(chosen("solarise"), (whole - 0.5) / 255, out)
    for name, length in zip(("translate_y", "translate_x"), side, strict=True):
        out = torch.where(chosen(name), (amount * length).floor() / length * sign, out)
    # autocontrast and equalise have no level: they are applied in full
    return out.masked_fill(chosen("autocontrast") | chosen("equalise"), 1.0)
