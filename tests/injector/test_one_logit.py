"""A model with one output is no classifier that cross entropy can train: refused wherever logits are taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step

ROWS = 6


class Gated(nn.Module):
    """Two classes by a convolution; its only linear layer is a gate with one output."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.gate = nn.Conv1d(5, 2, 1), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x[:, :, None])[:, :, 0] * self.gate(x).sigmoid()


def attach(step: Step, model: nn.Module, **options: Any) -> NoiseInjector:
    return Policy("tabular", [step]).attach(model, epochs=1, steps_per_epoch=2, **options)  # type: ignore[arg-type]


def test_one_logit_is_refused_when_attaching_and_at_the_first_loss() -> None:
    """Cross entropy over one logit is -0.0 whatever the model says, and smoothing a lone target makes it no target."""
    for model, options in ((nn.Linear(5, 1), {}), (nn.Linear(5, 3), {"num_classes": 1})):
        with pytest.raises(AttachError, match=r"use two logits, nn.Linear.* with the targets 0 and 1"):
            attach(Step.of("label_smoothing"), model, **options)
    with pytest.raises(AttachError, match="another layer than 'gate', pass num_classes="):
        attach(Step.of("gaussian_noise"), Gated())
    attach(Step.of("gaussian_noise"), Gated(), num_classes=2).perturb(torch.ones(ROWS, 5), torch.arange(ROWS) % 2)
    injector = attach(Step.of("gaussian_noise"), nn.Linear(5, 3), loss=lambda out, y: out.sum())
    for logits in (torch.zeros(ROWS, 1), torch.zeros(ROWS)):
        with pytest.raises(AttachError, match=r"have the shape \(6,?.*\): .*two logits"):
            injector.loss(logits, torch.arange(ROWS) % 2)
