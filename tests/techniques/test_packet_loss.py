from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.packet_loss import PacketLoss
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=8000))
# 50 packets of 160 samples, each at a level of its own
LEVEL = torch.arange(1.0, 51.0) / 100
X = LEVEL.repeat_interleave(160).expand(400, -1).contiguous()


def levels(strength: float = 1.0, **parameters: float | str) -> Tensor:
    technique = PacketLoss(**parameters)  # type: ignore[arg-type]
    out = technique.perturb(X, strength=torch.full((400, 1), strength), rng=generator(0), info=INFO)
    packets = out.reshape(400, 50, 160)
    assert torch.equal(packets.amin(2), packets.amax(2))
    return packets[:, :, 0]


def test_packets_are_silent_with_the_probability() -> None:
    found = levels(0.5, rate=0.4, fill="silence")
    assert ((found == 0) | (found == LEVEL)).all()
    assert (found == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)


def test_the_last_packet_is_repeated_ever_more_quietly() -> None:
    found = levels(rate=0.4, fill="repeat")
    for row in found.tolist():
        last, since = 0.0, 0
        for wanted, level in zip(LEVEL.tolist(), row, strict=True):
            if level == pytest.approx(wanted, abs=1e-7):
                last, since = wanted, 0
            else:
                since += 1
                assert level == pytest.approx(last * 0.5**since, abs=1e-7)
    assert (found != LEVEL).float().mean().item() == pytest.approx(0.4, abs=0.015)
    assert (found[:, 0] == 0).float().mean().item() == pytest.approx(0.4, abs=0.08)


def test_any_draws_for_each_clip_and_a_short_rest_counts_as_a_packet() -> None:
    found = levels(rate=0.4)
    silent = ((found == 0) | (found == LEVEL)).all(1).float().mean().item()
    assert silent == pytest.approx(0.5, abs=0.08)
    short = PacketLoss(rate=0.9, fill="silence")
    assert short.perturb(X[:, :330], strength=torch.ones(400, 1), rng=generator(0), info=INFO).shape == (400, 330)
