"""One random operation at a random strength."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.precision import flat
from autonoise.ops.random import randint
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique

# Operation: largest amount of the wide space. The identity is a pick of -1.
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
_UNSIGNED = ("posterise", "solarise")
_NO_LEVEL = ("autocontrast", "equalise")


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    also={Family.PHOTOMETRIC, Family.QUANTISATION, Family.BLUR},
    reference="Müller 2021, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
)
class TrivialAugment(InputNoise):
    """Apply one of 14 operations, the identity among them, to each image at strength * level * U(0, 1) of
    its range.

    The ranges are the paper's wide ones, so ``level`` 1 is the paper. Images are moved by 32 pixels at most whatever
    their size, as in the authors' code: the whole side at 32 pixels, a seventh of it at 224. Autocontrast and
    equalise have no range and are blended in by strength. The amount's sign is random where it has one.
    x: (B, C, H, W) in 0..1.
    """

    version = 2
    changes: ClassVar[str] = "images are moved by 32 pixels at most; it was their whole side, whatever their size"

    level: float = ranged(0.1, 1.0, default=1.0, unit="fraction of the wide range", maximum=1.0)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        names = tuple(_LARGEST)
        pick = randint(len(names), (len(x),), rng, x, low=-1)
        u = torch.rand(2, len(x), generator=rng, device=x.device)
        sign = torch.where((u[1] < 0.5) & ~_is_in(_UNSIGNED, names, pick), -1.0, 1.0)
        # translations are given as fractions of the side
        sides = {"translate_x": x.shape[-1], "translate_y": x.shape[-2]}
        largest = torch.tensor([most / sides.get(name, 1) for name, most in _LARGEST.items()], device=x.device)[pick]
        s = flat(strength)
        drawn = (s * self.level * u[0]).clamp(max=1) * largest * sign
        amount = torch.where(_is_in(_NO_LEVEL, names, pick), s.clamp(max=1), drawn)
        return apply_operations(x, names, pick, amount)


def _is_in(some: tuple[str, ...], names: tuple[str, ...], pick: Tensor) -> Tensor:
    return torch.tensor([name in some for name in names], device=pick.device)[pick]
