from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.horizontal_flip import HorizontalFlip
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    # without bounds, to which the technique would clip
    info = BatchInfo(spec=SPEC)
    return HorizontalFlip(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_mirrored_or_untouched_with_the_chance_asked_for() -> None:
    x = torch.rand(2000, 1, 3, 4, generator=generator(1))
    out = perturb(x, chance=0.3)
    mirrored = (out - x[..., [3, 2, 1, 0]]).abs().amax((1, 2, 3)) == 0
    untouched = (out - x).abs().amax((1, 2, 3)) == 0
    assert (mirrored ^ untouched).all()
    assert abs(mirrored.float().mean().item() - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5


def test_by_hand() -> None:
    x = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert perturb(x, chance=1.0).tolist() == [[[[3.0, 2.0, 1.0]]]]
    assert perturb(x, 0.0, chance=1.0).tolist() == x.tolist()
