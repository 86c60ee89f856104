from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.cutout import Cutout
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    return Cutout(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_the_square_has_the_side_asked_for() -> None:
    x = torch.zeros(300, 3, 32, 32)
    hit = perturb(x, side=0.25, fill="grey") == 0.5
    assert (hit.all(1) == hit.any(1)).all()
    hit = hit[:, 0]
    rows, columns = hit.any(2).sum(1), hit.any(1).sum(1)
    assert rows.max() == 8 and columns.max() == 8 and rows.min() >= 4
    assert (hit.sum((1, 2)) == rows * columns).all()
    assert set(hit.sum((1, 2)).tolist()) > {64}


def test_the_mean_fill_is_that_of_each_channel() -> None:
    x = torch.rand(5, 3, 16, 16, generator=generator(2))
    out = perturb(x, side=0.5)
    for before, after in zip(x.flatten(0, 1), out.flatten(0, 1), strict=True):
        new = after[after != before]
        assert len(new) >= 16
        assert torch.allclose(new, before.mean().expand_as(new), atol=1e-6)


def test_strength_scales_the_side_per_sample() -> None:
    x = torch.zeros(3, 1, 64, 64)
    widest = torch.stack(
        [(perturb(x, [0.0, 0.5, 1.0], seed=s, side=0.5, fill="grey") > 0)[:, 0].any(1).sum(1) for s in range(20)]
    ).amax(0)
    assert widest.tolist() == [0, 16, 32]
