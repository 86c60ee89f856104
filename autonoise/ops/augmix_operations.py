"""The nine random operations of AugMix, which PixMix and others use too, with their amounts."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.devices import constant, on_device
from autonoise.ops.random import picks

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
NAMES = tuple(_LARGEST)


def draw_operations(severity: float, size: int, rng: Generator, x: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one operation (an index into ``NAMES``) and its amount for each of ``size`` images of x's shape.

    Levels are U(0.1, ``severity``) on a scale of 10. The operations are on the CPU, their amounts on the device of x.
    """
    pick = picks(len(NAMES), size, rng)
    u = torch.rand(2, size, generator=rng, device=x.device)
    # the paper's lowest level is 0.1 of 10
    level = (0.1 + (severity - 0.1) * u[0]) / 10
    sign = torch.where(u[1] < 0.5, -1.0, 1.0)
    return pick, amounts(on_device(pick, x.device), level, sign, (x.shape[-2], x.shape[-1]))


def amounts(pick: Tensor, level: Tensor, sign: Tensor, side: tuple[int, int]) -> Tensor:
    """Turn levels in 0..1 into the amounts that :func:`apply_operations` takes.

    ``pick`` (n,) holds indices into ``NAMES``, ``sign`` is 1 or -1 for each, and ``side`` is the images' (H, W).
    """
    largest = constant(tuple(_LARGEST.values()), torch.float32, pick.device)[pick]
    amount = level * largest

    def chosen(name: str) -> Tensor:
        return pick == NAMES.index(name)

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
