from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from autonoise.ops.augmentations import GEOMETRIC, PHOTOMETRIC, apply_operations
from autonoise.ops.random import generator


def picture() -> np.ndarray:
    y, x = np.mgrid[:24, :32] / 24
    planes = [0.45 + 0.3 * np.sin(5 * x + k) * np.cos(4 * y + k) for k in range(3)]
    noise = 0.03 * np.random.default_rng(0).standard_normal((24, 32, 3))
    return np.clip((np.stack(planes, -1) + noise) * 255, 0, 255).astype(np.uint8)


def mine(name: str, amount: float) -> np.ndarray:
    x = torch.from_numpy(picture().transpose(2, 0, 1).copy()).double()[None] / 255
    out = apply_operations(x, (name,), torch.zeros(1, dtype=torch.long), torch.tensor([amount]))
    return out[0].numpy().transpose(1, 2, 0) * 255


PIL = {
    ("brightness", 0.4): lambda p: ImageEnhance.Brightness(p).enhance(1.4),
    ("brightness", -0.6): lambda p: ImageEnhance.Brightness(p).enhance(0.4),
    ("contrast", 0.8): lambda p: ImageEnhance.Contrast(p).enhance(1.8),
    ("contrast", -0.5): lambda p: ImageEnhance.Contrast(p).enhance(0.5),
    ("colour", 0.7): lambda p: ImageEnhance.Color(p).enhance(1.7),
    ("sharpness", 0.9): lambda p: ImageEnhance.Sharpness(p).enhance(1.9),
    ("sharpness", -0.9): lambda p: ImageEnhance.Sharpness(p).enhance(0.1),
    ("posterise", 5.0): lambda p: ImageOps.posterize(p, 3),
    ("solarise", 0.5): lambda p: ImageOps.solarize(p, 128),
    ("autocontrast", 1.0): ImageOps.autocontrast,
    ("equalise", 1.0): ImageOps.equalize,
}


@pytest.mark.parametrize(("name", "amount"), list(PIL))
def test_values_agree_with_pil(name: str, amount: float) -> None:
    theirs = np.asarray(PIL[name, amount](Image.fromarray(picture()))).astype(float)
    # PIL rounds to bytes, after its intermediate images too
    assert np.abs(mine(name, amount) - theirs).max() <= 2
    assert np.abs(theirs - picture()).max() > 10


def test_equalise_is_exact() -> None:
    assert np.abs(mine("equalise", 1.0) - np.asarray(ImageOps.equalize(Image.fromarray(picture())))).max() < 1e-6


@pytest.mark.parametrize("name", [*GEOMETRIC, *PHOTOMETRIC])
def test_amount_zero_is_the_identity_and_small_amounts_change_little(name: str) -> None:
    assert np.abs(mine(name, 0.0) - picture()).max() < 1e-3
    assert np.abs(mine(name, 0.001) - picture()).mean() < 1


def test_geometry_by_hand() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4) / 16

    def turn(name: str, amount: float) -> Tensor:
        return apply_operations(x, (name,), torch.zeros(1, dtype=torch.long), torch.tensor([amount]))[0, 0] * 16

    assert torch.allclose(turn("translate_x", 0.25)[0], torch.tensor([1.0, 2.0, 3.0, 0.0]), atol=1e-4)
    assert torch.allclose(turn("translate_y", -0.25)[:, 1], torch.tensor([0.0, 1.0, 5.0, 9.0]), atol=1e-4)
    assert torch.allclose(turn("rotate", 90.0), torch.rot90(x[0, 0] * 16, 1), atol=1e-3)
    # row k, whose middle lies k + 1/2 below the upper edge, moves by that times the tangent
    assert torch.allclose(turn("shear_x", 2.0)[:2, 0], torch.tensor([1.0, 7.0]), atol=1e-4)
    assert torch.allclose(turn("shear_x", 2.0)[1], torch.tensor([7.0, 0.0, 0.0, 0.0]), atol=1e-4)


@pytest.mark.parametrize(("name", "amount"), [("shear_x", 0.3), ("shear_x", -0.2), ("shear_y", 0.25)])
def test_shears_agree_with_pil_away_from_the_edges(name: str, amount: float) -> None:
    """The reference code of AutoAugment, AugMix and TrivialAugment shears about the corner, not the centre."""
    across, down = (amount, 0.0) if name == "shear_x" else (0.0, amount)
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in picture().transpose(2, 0, 1)]
    matrix = (1.0, across, 0.0, down, 1.0, 0.0)
    theirs = np.stack(
        [np.asarray(p.transform(p.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)) for p in planes], -1
    )
    inside = (slice(6, 18), slice(8, 24))
    assert np.abs(mine(name, amount) - theirs)[inside].max() < 0.05
    assert np.abs(theirs - picture())[inside].mean() > 3


def test_each_row_gets_its_own_operation() -> None:
    x = torch.rand(4, 3, 8, 8, generator=generator(0))
    names = ("brightness", "rotate", "solarise")
    pick, amount = torch.tensor([-1, 2, 0, 1]), torch.tensor([9.0, 1.0, 0.5, 45.0])
    out = apply_operations(x, names, pick, amount)
    assert torch.equal(out[0], x[0])
    assert torch.allclose(out[1], 1 - x[1])
    assert torch.allclose(out[2], (x[2] * 1.5).clamp(max=1))
    assert (out[3] - x[3]).abs().max() > 0.1
