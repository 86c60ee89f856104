from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.random_crop import RandomCrop
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    # without bounds, to which the technique would clip
    info = BatchInfo(spec=SPEC)
    return RandomCrop(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def spot(batch: int) -> Tensor:
    x = torch.zeros(batch, 1, 16, 32)
    x[:, :, 8, 16] = 1
    return x


def test_shifts_are_whole_pixels_uniform_over_the_range() -> None:
    out = perturb(spot(3500), padding=0.1)  # 2 of 16 rows, 3 of 32 columns
    where = out.nonzero()
    assert len(where) == 3500
    rows, columns = torch.bincount(where[:, 2], minlength=16), torch.bincount(where[:, 3], minlength=32)
    assert rows.nonzero().flatten().tolist() == [6, 7, 8, 9, 10]
    assert columns.nonzero().flatten().tolist() == list(range(13, 20))
    assert (rows[6:11] / 3500 - 1 / 5).abs().max() < 4 * (0.16 / 3500) ** 0.5
    assert (columns[13:20] / 3500 - 1 / 7).abs().max() < 4 * (6 / 49 / 3500) ** 0.5


def test_what_comes_in_at_the_border() -> None:
    x = torch.arange(1.0, 9.0).expand(1, 1, 8, 8).contiguous()
    seen = {tuple(perturb(x, seed=seed, padding=0.25)[0, 0, 4].tolist()) for seed in range(40)}
    assert (0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0) in seen
    assert (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 0.0, 0.0) in seen
    seen = {tuple(perturb(x, seed=seed, padding=0.25, fill="reflection")[0, 0, 4].tolist()) for seed in range(40)}
    assert (3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0) in seen
    assert (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 7.0, 6.0) in seen


def test_strength_zero_keeps_and_padding_scales_with_it() -> None:
    x = spot(400)
    assert torch.equal(perturb(x, 0.0), x)
    columns = perturb(x, 0.5, padding=0.1).nonzero()[:, 3]
    assert columns.unique().tolist() == [14, 15, 16, 17, 18]
    assert perturb(x.half(), 40.0).shape == x.shape


@pytest.mark.parametrize(("fill", "mode"), [("zeros", "constant"), ("reflection", "reflect")])
def test_every_window_of_the_padded_image_up_to_the_farthest(fill: str, mode: Literal["constant", "reflect"]) -> None:
    """NumPy pads and cuts for comparison; at a large strength a shift may be as long as the side less one pixel."""
    image = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
    padded = np.pad(image, ((2, 2), (3, 3)), mode=mode)
    windows = {padded[r : r + 3, c : c + 4].tobytes() for r in range(5) for c in range(7)}
    x = torch.from_numpy(image).expand(1500, 1, 3, 4).contiguous()
    seen = {found[0].numpy().tobytes() for found in perturb(x, 9.0, padding=0.9, fill=fill)}
    assert seen == windows


def test_values_outside_the_bounds_are_clipped() -> None:
    x, info = torch.full((3, 1, 8, 8), 2.0), BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    out = RandomCrop().perturb(x, strength=torch.ones(3, 1, 1, 1), rng=generator(0), info=info)
    assert out.unique().tolist() in ([1.0], [0.0, 1.0])
