"""Apply a few random operations of one strength to each image."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.devices import constant, on_device
from autonoise.ops.precision import flat
from autonoise.ops.random import picks
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole

# Each operation and its largest amount, in the units of ops/augmentations.py. The 14th operation, which does nothing,
# is a pick of -1.
_LARGEST = {
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 150 / 331,
    "translate_y": 150 / 331,
    "rotate": 30.0,
    "brightness": 0.9,
    "colour": 0.9,
    "contrast": 0.9,
    "sharpness": 0.9,
    "posterise": 4.0,
    "solarise": 1.0,
    "autocontrast": 1.0,
    "equalise": 1.0,
}
_NAMES = tuple(_LARGEST)
# Operations whose amount is never negative; the last two have no amount and are applied in full.
_UNSIGNED = frozenset(_NAMES[-4:])
_NO_LEVEL = frozenset(_NAMES[-2:])


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    also={Family.PHOTOMETRIC, Family.QUANTISATION, Family.BLUR},
    reference="Cubuk et al. 2020, RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
)
class RandAugment(InputNoise):
    """Apply ``operations`` of 14 operations, one of which does nothing, one after the other, at strength * level.

    The amount of each is strength * level of its largest, the sign is random where it can be negative, and autocontrast
    and equalise are mixed with what was there by the strength. Largest amounts are those of AutoAugment as torchvision
    has them; its magnitude m of 0..30 is the level m / 30. x: (B, C, H, W) in 0..1.
    """

    level: float = ranged(0.1, 1.0, default=0.3, unit="fraction of the largest", maximum=1.0)
    operations: int = whole(1, 3, default=2, maximum=8)
    subset: ClassVar[bool] = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        s = flat(strength).clamp(max=1)
        table = constant(
            tuple((most, float(name in _UNSIGNED), float(name in _NO_LEVEL)) for name, most in _LARGEST.items()),
            torch.float32,
            x.device,
        )
        out = x
        for _ in range(self.operations):
            pick = picks(len(_NAMES), len(x), rng, low=-1)
            there = on_device(pick, x.device)
            largest, unsigned, full = table[there].unbind(1)
            negative = torch.rand(len(x), generator=rng, device=x.device) < 0.5
            sign = torch.where(negative & (unsigned == 0), -1.0, 1.0)
            amount = torch.where(full > 0, s, s * self.level * largest * sign)
            # posterise removes whole bits
            amount = torch.where(there == _NAMES.index("posterise"), amount.round(), amount)
            out = apply_operations(out, _NAMES, pick, amount)
        return out
