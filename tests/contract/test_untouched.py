"""Codes and unchanged values keep every bit; the promises of all techniques are those of ``autonoise.testing``."""

from __future__ import annotations

import torch
from torch import nn

from autonoise.policy import Policy, Step
from autonoise.testing.samples import CLASSES, SIZE, targets
from autonoise.types import DataType, InputSpec


def test_code_columns_survive_half_precision() -> None:
    x = {"numeric": torch.randn(SIZE, 2).to(torch.bfloat16), "categorical": torch.arange(1001, 1001 + SIZE)[:, None]}
    policy = Policy("tabular", (Step.of("gaussian_noise"),))
    injector = policy.attach(nn.Linear(3, CLASSES), epochs=1, steps_per_epoch=1)
    noisy, _ = injector.perturb(x, targets())
    assert torch.equal(noisy["categorical"], x["categorical"])
    assert noisy["numeric"].dtype is torch.bfloat16
    assert not torch.equal(noisy["numeric"], x["numeric"])


def test_unchanged_values_keep_every_bit() -> None:
    """Scaling to canonical units and back rounds; what noise did not move must not move at all."""
    spec = InputSpec(data_type=DataType.TIMESERIES, layout=(1, 50), scale="unit", mean=(0.1,), std=(0.3,))
    x = torch.randn(SIZE, 1, 50, generator=torch.Generator().manual_seed(0)) * 0.3 + 0.1
    policy = Policy("timeseries", (Step.of("spike_noise", rate=0.05),))
    model = nn.Sequential(nn.Flatten(), nn.Linear(50, CLASSES))
    injector = policy.attach(model, epochs=1, steps_per_epoch=1, input=spec)
    noisy, _ = injector.perturb(x, targets())
    share = (noisy != x).double().mean()
    assert 0.01 < share < 0.15
