"""Apply one random operation at a random strength to each image."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.devices import constant, on_device
from autonoise.ops.precision import flat
from autonoise.ops.random import picks
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique

# Each operation and its largest amount, from the paper's "wide" search space, in the units of ops/augmentations.py
# except where noted. The 14th operation, which does nothing, is a pick of -1.
_LARGEST = {
    "shear_x": 0.99,
    "shear_y": 0.99,
    "translate_x": 32.0,  # pixels
    "translate_y": 32.0,
    "rotate": 135.0,
    "brightness": 0.99,
    "colour": 0.99,
    "contrast": 0.99,
    "sharpness": 0.99,
    "posterise": 6.0,
    "solarise": 1.0,
    "autocontrast": 1.0,
    "equalise": 1.0,
}
# Operations whose amount is never negative, and operations that have no amount.
_UNSIGNED = ("posterise", "solarise")
_NO_LEVEL = ("autocontrast", "equalise")


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    also={Family.PHOTOMETRIC, Family.QUANTISATION, Family.BLUR},
    reference="Müller 2021, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
)
class TrivialAugment(InputNoise):
    """Apply one of 14 operations, one of which does nothing, at strength * level * U(0, 1) of its largest amount.

    The largest amounts are the paper's "wide" ones, so ``level`` 1 is the paper. As in the authors' code, images are
    shifted by at most 32 pixels whatever their size: the whole side at 32 pixels, a seventh of it at 224. Autocontrast
    and equalise have no amount; they are mixed with the original by the strength. Where the amount can be negative, its
    sign is random. x: (B, C, H, W) in 0..1.
    """

    version = 2
    changes: ClassVar[str] = "images are moved by 32 pixels at most; it was their whole side, whatever their size"

    level: float = ranged(0.1, 1.0, default=1.0, unit="fraction of the wide range", maximum=1.0)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        names = tuple(_LARGEST)
        pick = picks(len(names), len(x), rng, low=-1)
        there = on_device(pick, x.device)
        u = torch.rand(2, len(x), generator=rng, device=x.device)
        sign = torch.where((u[1] < 0.5) & ~_is_in(_UNSIGNED, names, there), -1.0, 1.0)
        # apply_operations takes translations as fractions of the side, not as pixels
        sides = {"translate_x": x.shape[-1], "translate_y": x.shape[-2]}
        largest = constant(
            tuple(most / sides.get(name, 1) for name, most in _LARGEST.items()), torch.float32, x.device
        )[there]
        s = flat(strength)
        drawn = (s * self.level * u[0]).clamp(max=1) * largest * sign
        amount = torch.where(_is_in(_NO_LEVEL, names, there), s.clamp(max=1), drawn)
        return apply_operations(x, names, pick, amount)


def _is_in(some: tuple[str, ...], names: tuple[str, ...], pick: Tensor) -> Tensor:
    """Return a bool mask of the picks whose name is one of ``some``."""
    return constant(tuple(name in some for name in names), torch.bool, pick.device)[pick]
