"""Solarising against numbers by hand and against Pillow."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps

from autonoise.techniques.solarise import Solarise
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(1, 1, 4)), bounds=(0.0, 1.0))


def perturb(technique: Solarise, x: torch.Tensor, strength: list[float]) -> torch.Tensor:
    shaped = torch.tensor(strength).reshape(-1, 1, 1, 1)
    return technique.perturb(x, strength=shaped, rng=torch.Generator(), info=INFO)


def test_by_hand_per_sample() -> None:
    x = torch.tensor([0.2, 0.7, 0.8, 1.0]).reshape(1, 1, 1, 4).repeat(3, 1, 1, 1)
    out = perturb(Solarise(threshold=0.7), x, [0.0, 0.5, 1.0]).reshape(3, 4)
    expected = torch.tensor([[0.2, 0.7, 0.8, 1.0], [0.2, 0.7, 0.5, 0.5], [0.2, 0.7, 0.2, 0.0]])
    torch.testing.assert_close(out, expected)


def test_full_strength_is_pillows() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wanted = np.asarray(ImageOps.solarize(Image.fromarray(pixels), threshold=180))
    x = torch.from_numpy(pixels.copy()).float().reshape(1, 1, 16, 16) / 255
    out = perturb(Solarise(threshold=179.5 / 255), x, [1.0])
    np.testing.assert_array_equal((out * 255).round().numpy().astype(np.uint8).reshape(16, 16), wanted)
