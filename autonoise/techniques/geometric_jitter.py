"""Rotate, shift, scale and shear images at random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.devices import constant
from autonoise.ops.image import affine
from autonoise.ops.precision import flat, signed
from autonoise.technique import BatchInfo, Family, InputNoise, choice, ranged, technique


@technique(
    data_types={"image"},
    family=Family.GEOMETRIC,
    reference="Simard 2003, Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
)
class GeometricJitter(InputNoise):
    """Rotate, shift, scale and shear each image by one affine map about its centre, read bilinearly.

    Each of the parts is its parameter times strength times a draw u ~ U(-1, 1) of its own: rotation and shear in
    degrees, translation as a fraction of each side; the size is multiplied by 1 + strength * scale * u, but at least by
    0.1. x: (B, C, H, W). Choose small rotations where the orientation decides the class, as with the digits 6 and 9.
    """

    keeps_bounds: ClassVar[bool] = True
    rotation: float = ranged(0.0, 30.0, default=10.0, unit="degrees", maximum=180.0)
    translation: float = ranged(0.0, 0.2, default=0.1, unit="fraction of the side", maximum=1.0)
    scale: float = ranged(0.0, 0.3, default=0.1, unit="factor", maximum=0.9)
    shear: float = ranged(0.0, 15.0, default=0.0, unit="degrees", maximum=60.0)
    fill: str = choice("reflection", "zeros", "border")

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        amount = flat(strength)[:, None] * signed((len(x), 5), rng, x)
        angle = torch.deg2rad(amount[:, 0] * self.rotation)
        # at most 75 degrees, since the tangent grows without limit towards 90
        slope = torch.deg2rad((amount[:, 1] * self.shear).clamp(-75, 75)).tan()
        # at least a tenth of the size, so that a large strength cannot turn the image inside out
        zoom = (1 + amount[:, 2] * self.scale).clamp(min=0.1)
        cos, sin = angle.cos() / zoom, angle.sin() / zoom
        # the matrix is rotation @ [[1, slope], [0, 1]] / zoom
        matrix = torch.stack([cos, cos * slope - sin, sin, sin * slope + cos], dim=-1).reshape(-1, 2, 2)
        size = constant((x.shape[-1], x.shape[-2]), torch.long, x.device)
        return affine(x, matrix, amount[:, 3:] * self.translation * size, self.fill, info.bounds)
