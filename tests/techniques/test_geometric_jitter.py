from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.geometric_jitter import GeometricJitter
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    return GeometricJitter(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


OFF = {"rotation": 0.0, "translation": 0.0, "scale": 0.0, "shear": 0.0}


def blob(dx: float, dy: float, height: int = 48, width: int = 64) -> Tensor:
    """A Gaussian spot at (dx, dy) pixels from the centre."""
    y = torch.arange(height)[:, None] - (height - 1) / 2
    x = torch.arange(width)[None] - (width - 1) / 2
    return torch.exp(-((x - dx) ** 2 + (y - dy) ** 2) / 8)[None, None]


def centre(image: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass of (B, 1, H, W), from the centre of the image."""
    height, width = image.shape[-2:]
    mass = image.sum((1, 2, 3))
    x = (image * (torch.arange(width) - (width - 1) / 2)).sum((1, 2, 3)) / mass
    y = (image * (torch.arange(height) - (height - 1) / 2)[:, None]).sum((1, 2, 3)) / mass
    return x, y


def test_rotation_turns_by_up_to_its_degrees_and_keeps_distances() -> None:
    x = blob(15, 0).repeat(300, 1, 1, 1)
    cx, cy = centre(perturb(x, **OFF | {"rotation": 30.0}, fill="zeros"))
    angle = torch.atan2(cy, cx).rad2deg()
    assert torch.allclose(torch.hypot(cx, cy), torch.tensor(15.0), atol=0.1)
    assert angle.abs().max() <= 30.5
    assert angle.std().item() == pytest.approx(30 / 3**0.5, rel=0.15)


def test_translation_is_a_fraction_of_each_side() -> None:
    cx, cy = centre(perturb(blob(0, 0).repeat(300, 1, 1, 1), **OFF | {"translation": 0.1}, fill="zeros"))
    assert 6 < cx.abs().max() <= 6.5 and 4.5 < cy.abs().max() <= 4.9
    assert abs(torch.corrcoef(torch.stack([cx, cy]))[0, 1].item()) < 0.25


def test_scale_and_shear_move_a_spot_as_calculated() -> None:
    cx, cy = centre(perturb(blob(12, 6).repeat(300, 1, 1, 1), **OFF | {"scale": 0.25}, fill="zeros"))
    zoom = cx / 12
    assert torch.allclose(cy / 6, zoom, atol=0.02)
    assert 0.74 < zoom.min() < 0.8 and 1.2 < zoom.max() < 1.26
    cx, cy = centre(perturb(blob(0, 12).repeat(300, 1, 1, 1), **OFF | {"shear": 20.0}, fill="zeros"))
    assert torch.allclose(cy, torch.tensor(12.0), atol=0.1)
    # the spot is sheared itself, which does not move its centre: dx = -slope * y
    assert 0.9 * 12 * 0.364 < cx.abs().max() <= 12 * 0.364 + 0.1


def test_strength_zero_is_exact_and_half_precision_is_kept() -> None:
    x = torch.rand(2, 3, 32, 32, generator=generator(0))
    out = perturb(x, [0.0, 1.0])
    assert torch.allclose(out[0], x[0], atol=1e-5)
    assert (out[1] - x[1]).abs().max() > 0.05
    assert perturb(x.half()).dtype == torch.float16
