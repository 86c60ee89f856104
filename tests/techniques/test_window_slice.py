from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.window_slice import WindowSlice
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(
    x: Tensor, strength: float | list[float] = 1.0, lengths: Tensor | None = None, **parameters: float
) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, lengths=lengths)
    return WindowSlice(**parameters).perturb(x, strength=s, rng=generator(0), info=info)  # type: ignore[arg-type]


def times(batch: int, size: int) -> Tensor:
    return torch.arange(float(size)).expand(batch, 1, size).contiguous()


def test_the_window_has_the_width_asked_for_and_a_uniform_place() -> None:
    out = perturb(times(2000, 101), window=0.8)[:, 0]
    assert torch.allclose(out[:, -1] - out[:, 0], torch.full((2000,), 80.0), atol=1e-3)
    assert torch.allclose(out.diff(dim=1), torch.full((2000, 100), 0.8), atol=1e-3)
    assert out[:, 0].mean().item() == pytest.approx(10, abs=4 * 20 / 12**0.5 / 2000**0.5)
    assert out[:, 0].min() >= 0 and out[:, 0].max() <= 20


def test_padding_stays() -> None:
    out = perturb(times(2, 40), lengths=torch.tensor([40, 21]), window=0.5)[1, 0]
    assert out[21:].tolist() == list(range(21, 40))
    assert (out[20] - out[0]).item() == pytest.approx(10, abs=1e-3)
    assert out[20] <= 20


def test_strength_scales_what_is_cut_off() -> None:
    out = perturb(times(3, 101), [0.0, 0.5, 1.0], window=0.8)[:, 0]
    assert (out[:, -1] - out[:, 0]).tolist() == pytest.approx([100, 90, 80], abs=1e-3)
    assert torch.equal(out[0], torch.arange(101.0))
