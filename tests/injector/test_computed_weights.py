"""Weights that torch computes from other parameters cannot be swapped: which ones is told, the others get noise."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, weight_norm
from torch.nn.utils.parametrizations import spectral_norm

from autonoise.errors import AttachError
from autonoise.policy import Policy, Step


def old_weight_norm(module: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        normed: nn.Module = weight_norm(module)
    return normed


WAYS: list[Callable[[nn.Module], nn.Module]] = [parametrizations.weight_norm, spectral_norm, old_weight_norm]


@pytest.mark.parametrize("way", WAYS)
def test_what_weight_noise_cannot_reach_is_told(
    way: Callable[[nn.Module], nn.Module], caplog: pytest.LogCaptureFixture
) -> None:
    policy = Policy("tabular", [Step.of("weight_noise", sigma=0.5)])  # type: ignore[arg-type]
    model = nn.Sequential(way(nn.Linear(5, 4)), nn.ReLU(), nn.Linear(4, 3))
    with caplog.at_level(logging.WARNING, "autonoise"), policy.attach(model, epochs=1, steps_per_epoch=2):
        x, h = torch.ones(2, 5), torch.ones(2, 4)
        assert torch.allclose(model[0](x), model[0](x), atol=1e-2)  # the spectral norm learns a little in each pass
        clean = nn.functional.linear(h, model[2].weight, model[2].bias)
        assert not torch.allclose(model[2](h), clean, atol=1e-3)
    (line,) = [r.getMessage() for r in caplog.records]
    assert line.startswith("weight_noise: the weights of 0 are computed from other parameters")
    assert line.endswith("1 weights do")
    with pytest.raises(AttachError, match="no weights it knows how to reach"):
        policy.attach(way(nn.Linear(5, 3)), epochs=1, steps_per_epoch=2, num_classes=3)


def test_plain_weights_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    policy = Policy("tabular", [Step.of("weight_noise")])  # type: ignore[arg-type]
    parts = nn.ModuleDict({
        "a": nn.MultiheadAttention(4, 2), "r": nn.LSTM(4, 4), "c": nn.Conv1d(4, 4, 1), "l": nn.Linear(4, 3)
    })  # fmt: skip
    with caplog.at_level(logging.WARNING, "autonoise"):
        policy.attach(parts, epochs=1, steps_per_epoch=2)
    assert not caplog.records
