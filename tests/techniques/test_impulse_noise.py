from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.impulse_noise import ImpulseNoise
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    return ImpulseNoise(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_the_realised_fractions_are_those_asked_for() -> None:
    x = torch.full((16, 3, 64, 64), 0.5)
    out = perturb(x, fraction=0.1)
    n = x.numel()
    # four standard errors of a binomial
    assert abs((out == 0).sum().item() / n - 0.05) < 4 * (0.05 * 0.95 / n) ** 0.5
    assert abs((out == 1).sum().item() / n - 0.05) < 4 * (0.05 * 0.95 / n) ** 0.5
    assert set(out.unique().tolist()) == {0.0, 0.5, 1.0}


def test_strength_scales_the_fraction_per_sample_and_saturates() -> None:
    out = perturb(torch.full((3, 1, 128, 128), 0.5), [0.0, 0.5, 50.0], fraction=0.2)
    changed = (out != 0.5).float().mean((1, 2, 3))
    assert changed[0] == 0 and changed[2] == 1
    assert abs(changed[1].item() - 0.1) < 4 * (0.1 * 0.9 / 128**2) ** 0.5


def test_small_fractions_are_kept_in_half_precision() -> None:
    x = torch.full((16, 3, 64, 64), 0.5, dtype=torch.bfloat16)
    out = perturb(x, fraction=0.005)
    assert out.dtype == torch.bfloat16
    assert 0.004 < (out != 0.5).float().mean().item() < 0.006
