from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.jpeg import Jpeg
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    return Jpeg(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def picture(mode: str) -> np.ndarray:
    """A smooth picture with edges and a little texture, 40 x 48."""
    y, x = np.mgrid[:40, :48] / 40
    planes = [0.5 + 0.4 * np.sin(6 * x + k) * np.cos(5 * y) + 0.2 * ((x - y + k / 5) > 0.3) for k in range(3)]
    stack = np.stack(planes, -1) + 0.02 * np.random.default_rng(0).standard_normal((40, 48, 3))
    picture = np.clip(stack * 255, 0, 255).round().astype(np.uint8)
    return picture if mode == "RGB" else picture[..., 0]


def as_batch(array: np.ndarray) -> Tensor:
    planes = array.transpose(2, 0, 1) if array.ndim == 3 else array[None]
    return torch.from_numpy(planes.copy()).float()[None] / 255


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("quality", [10, 30, 75])
def test_it_agrees_with_libjpeg(mode: str, quality: int) -> None:
    array = picture(mode)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=quality, subsampling=0)
    theirs = as_batch(np.asarray(Image.open(buffer)))
    mine = perturb(as_batch(array), quality=float(quality)).clamp(0, 1)
    loss = (as_batch(array) - theirs).square().mean().sqrt()
    # what is left is libjpeg's integer arithmetic; a coefficient may round the other way
    assert (mine - theirs).square().mean().sqrt() < 0.2 * loss
    assert (mine - theirs).abs().median() < 1.5 / 255


def test_loss_grows_with_strength_and_quality_100_loses_almost_nothing() -> None:
    x = as_batch(picture("RGB")).expand(5, -1, -1, -1)
    out = perturb(x, [0.0, 0.3, 0.7, 1.0, 2.0], quality=40.0)
    loss = (out - x).square().mean((1, 2, 3)).sqrt()
    assert loss[0] < 1 / 255
    assert (loss.diff() > 0).all()
    assert torch.allclose(out[3], perturb(x[:1], quality=40.0)[0], atol=1e-6)


def test_sides_that_are_no_multiple_of_eight() -> None:
    x = torch.rand(2, 1, 11, 9, generator=generator(0))
    assert perturb(x).shape == x.shape
    flat = torch.full((1, 3, 11, 9), 0.25)
    assert (perturb(flat, quality=20.0) - flat).abs().max() < 0.05
