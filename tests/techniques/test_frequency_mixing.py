from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.frequency_mixing import FrequencyMixing
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(1, 40))


def mixed(x: Tensor, rate: float, strength: float = 1.0, lengths: Tensor | None = None) -> Tensor:
    info, s = BatchInfo(spec=SPEC, lengths=lengths), torch.full((len(x), 1, 1), strength)
    return FrequencyMixing(rate=rate).perturb(x, strength=s, rng=generator(0), info=info)


def test_weak_frequencies_come_from_other_rows_and_the_three_strongest_stay() -> None:
    # each row has a level of its own, which marks all of its frequencies; 2, 7 and 11 are strong
    level = torch.arange(1.0, 501.0)
    size = level[:, None] * torch.ones(21)
    size[:, [2, 7, 11]] = 1e4
    x = torch.fft.irfft(size + 0j, n=40)[:, None]
    out = torch.fft.rfft(mixed(x, 0.4, strength=0.5))[:, 0]
    assert out.imag.abs().max() < 2
    found = out.real.round()
    assert (found[:, [2, 7, 11]] - 1e4).abs().max() < 2
    weak = [k for k in range(21) if k not in (2, 7, 11)]
    foreign = found[:, weak] != level[:, None]
    assert foreign.float().mean().item() == pytest.approx(0.2, abs=0.02)
    donors = (found[:, weak] * foreign).amax(1)
    givers = torch.where(foreign, found[:, weak], donors[:, None])
    assert torch.equal(givers, donors[:, None].expand_as(givers))  # one partner for each row


def test_nothing_to_mix_with() -> None:
    x = torch.randn(4, 1, 40, generator=generator(1))
    assert torch.allclose(mixed(x[:1], 1.0), x[:1], atol=1e-5)
    assert torch.allclose(mixed(x, 1.0, 0.0), x, atol=1e-5)
    assert torch.allclose(mixed(x[:, :, :4], 1.0), x[:, :, :4], atol=1e-5)  # three frequencies in all


def test_padding_takes_no_part() -> None:
    x = torch.randn(3, 1, 40, generator=generator(3))
    other = x.clone()
    other[:, :, 20:] = 7
    lengths = torch.full((3,), 20)
    assert torch.equal(mixed(x, 0.5, lengths=lengths), mixed(other, 0.5, lengths=lengths))
