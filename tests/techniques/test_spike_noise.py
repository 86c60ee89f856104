from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.spike_noise import SpikeNoise
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC)
    return SpikeNoise(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_rate_height_and_sign_are_as_asked_for() -> None:
    x = torch.randn(200, 3, 100, generator=generator(1))
    spikes = perturb(x, rate=0.02, height=5.0) - x
    n = x.numel()
    up, down = (spikes > 2.5).sum().item() / n, (spikes < -2.5).sum().item() / n
    assert abs(up - 0.01) < 4 * (0.01 / n) ** 0.5 and abs(down - 0.01) < 4 * (0.01 / n) ** 0.5
    assert torch.allclose(spikes[spikes.abs() > 2.5].abs(), torch.tensor(5.0), atol=1e-5)
    assert (spikes == 0).sum().item() == n - round((up + down) * n)


def test_strength_scales_the_height_per_sample() -> None:
    out = perturb(torch.zeros(3, 1, 2000), [0.0, 0.5, 1.0], rate=0.05, height=4.0)
    assert [row.abs().max().item() for row in out] == [0.0, 2.0, 4.0]
    assert perturb(torch.zeros(2, 1, 50, dtype=torch.float16)).dtype == torch.float16
