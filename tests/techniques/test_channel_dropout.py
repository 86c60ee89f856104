from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.channel_dropout import ChannelDropout
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC)
    return ChannelDropout(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def test_the_realised_rate_and_whole_channels() -> None:
    out = perturb(torch.ones(2000, 8, 4), rate=0.3)
    gone = out == 0
    assert (gone.all(2) == gone.any(2)).all()
    expected = 0.3 - 0.3**8 / 8
    assert abs(gone[..., 0].float().mean().item() - expected) < 4 * (0.21 / 16_000) ** 0.5
    assert set(out.unique().tolist()) == {0.0, 1.0}


def test_one_channel_always_stays() -> None:
    assert (perturb(torch.ones(500, 3, 4), rate=0.95).sum(1) >= 1).all()
    assert (perturb(torch.ones(50, 1, 4), rate=0.95) == 1).all()


def test_strength_scales_the_rate_per_sample() -> None:
    gone = perturb(torch.ones(3, 4000, 1), [0.0, 0.5, 1.0], rate=0.4) == 0
    share = gone.float().mean((1, 2)).tolist()
    assert share[0] == 0
    assert abs(share[1] - 0.2) < 0.03 and abs(share[2] - 0.4) < 0.03
