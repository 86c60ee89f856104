"""Mix images with versions under random deformations, colour curves and filters."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.ops.devices import on_device
from autonoise.ops.image import displace
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import picks, rand, randn
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole

CURVE = 256
"""Values at which a colour curve is computed; between them it is linear. Images of 8 bits have as many."""
CUT = 100
"""Sine waves in a colour curve, and the largest cut-off of a deformation; both are those of the authors' code."""


@technique(
    data_types={"image"},
    family=Family.BLUR,
    also={Family.GEOMETRIC, Family.PHOTOMETRIC},
    reference="Modas et al. 2022, PRIME: A Few Primitives Can Boost Robustness to Common Corruptions",
)
class Prime(InputNoise):
    """Compute x + strength * m * (sum_k w_k chain_k(x) - x), m ~ U(0, 1), w uniform among shares that sum to 1.

    Each of ``width`` chains has 1 to ``depth`` of three primitives: a deformation by a sum of sine waves, small enough
    not to fold; a curve of colours v -> v + sum of 100 c_k sin(k pi v), c_k ~ N(0, T), T ~ U(0, colour); and a 3x3
    filter, the identity plus N(0, s^2), s ~ U(0, filter), the same for all channels. Results are cut to 0..1.

    The authors add the consistency loss of AugMix: use ``two_view_consistency`` for it. x: (B, C, H, W) in 0..1.
    """

    filter: float = ranged(0.5, 4.0, default=4.0, log=True, unit="weight of the identity", maximum=20.0)
    colour: float = ranged(0.001, 0.03, default=0.01, log=True, unit="variance of a wave", maximum=1.0)
    width: int = whole(1, 3, default=3, maximum=16)
    depth: int = whole(1, 3, default=3, maximum=8)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x).clamp(0, 1)
        size = len(x) * self.width
        chains = wide.repeat(self.width, 1, 1, 1)
        depth = picks(self.depth + 1, size, rng, low=1)
        primitives = (deformed, self._coloured, self._filtered)
        for position in range(self.depth):
            pick = picks(len(primitives), size, rng).where(depth > position, -1)
            for k, change in enumerate(primitives):
                rows = on_device((pick == k).nonzero()[:, 0], x.device)
                if len(rows):
                    chains[rows] = change(chains[rows], rng).clamp_(0, 1)
        # exponential draws divided by their sum are uniform among shares
        share = -rand((len(x), self.width), rng, wide).clamp_(min=1e-9).log_()
        share = share / share.sum(1, keepdim=True).clamp(min=1e-9)
        mixed = torch.einsum("bk,kbchw->bchw", share, chains.view(self.width, *x.shape))
        m = rand((len(x),), rng, wide) * flat(strength).clamp(max=1).to(wide.dtype)
        return torch.lerp(wide, mixed, m.reshape(-1, 1, 1, 1)).to(x.dtype)

    def _coloured(self, x: Tensor, rng: Generator) -> Tensor:
        """Change each channel by a curve of its own."""
        rows, channels = x.shape[:2]
        size = (self.colour * rand((rows, 1, 1), rng, x)).sqrt()
        place = torch.linspace(0, 1, CURVE, device=x.device, dtype=x.dtype)
        number = torch.arange(1, CUT + 1, device=x.device, dtype=x.dtype)
        curve = (size * randn((rows, channels, CUT), rng, x)) @ (math.pi * number[:, None] * place).sin()
        at = x.flatten(2) * (CURVE - 1)
        low = at.floor().clamp_(max=CURVE - 2)
        index = low.long()
        change = torch.lerp(curve.gather(2, index), curve.gather(2, index + 1), at - low)
        return x + change.view_as(x)

    def _filtered(self, x: Tensor, rng: Generator) -> Tensor:
        """Convolve each image with a 3x3 kernel of its own."""
        kernel = randn((len(x), 1, 3, 3), rng, x) * (self.filter * rand((len(x), 1, 1, 1), rng, x))
        kernel[:, :, 1, 1] += 1
        if x.device.type == "cpu":
            return F.conv2d(x.transpose(0, 1), kernel, padding=1, groups=len(x)).transpose(0, 1)
        return filtered_by_shifts(x, kernel)


def filtered_by_shifts(x: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each image with its kernel (B, 1, 3, 3) as a sum of nine shifted images, with zeros around it.

    On a GPU this is better than a convolution, for which cuDNN may look for its fastest way anew for each number of
    rows. That takes longer than a step of training.
    """
    height, width = x.shape[-2:]
    padded, total = F.pad(x, (1, 1, 1, 1)), torch.zeros_like(x)
    for i in range(3):
        for j in range(3):
            part = padded[..., i : i + height, j : j + width]
            total.addcmul_(part, kernel[:, :, i, j, None, None])
    return total


def deformed(x: Tensor, rng: Generator) -> Tensor:
    """Move the pixels by sums of sine waves that vanish at the border, of 1 to a random cut-off in half periods.

    The size is uniform (in power) between half a pixel and where the image would fold: Petrini et al. 2021, Relative
    stability toward diffeomorphisms indicates performance in deep nets.
    """
    rows, height, width = len(x), x.shape[-2], x.shape[-1]
    side = max(height, width)
    u = rand((2, rows), rng, x)
    cut = 2 + ((CUT - 1) * u[0]).floor()
    # waves finer than the pixels cannot be seen
    modes = min(CUT, side)
    number = torch.arange(1, modes + 1, device=x.device, dtype=x.dtype)
    radius = (number[:, None].square() + number.square()).sqrt()
    smallest = 1 / (math.pi * side**2 * cut.log())
    largest = (4 / (math.pi**3 * cut.square() * cut.log())).maximum(smallest)
    power = smallest + (largest - smallest) * u[1]
    amplitude = (radius <= cut[:, None, None] + 0.5) * (power.sqrt()[:, None, None] / radius)
    draws = randn((rows, 2, modes, modes), rng, x) * amplitude[:, None]
    down, across = (
        (math.pi * torch.linspace(0, 1, length, device=x.device, dtype=x.dtype)[:, None] * number).sin()
        for length in (height, width)
    )
    field = down @ draws @ across.T
    return displace(x, (field * side).float(), "border")
