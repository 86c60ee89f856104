from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autonoise.ops.random import generator
from autonoise.policy import Policy, Step
from autonoise.techniques.target_noise import TargetNoise
from autonoise.types import DataType


def test_the_realised_fraction_of_changed_labels() -> None:
    y = F.one_hot(torch.arange(30_000) % 5, 5).float()
    strength = torch.ones(30_000, 1)
    strength[:10_000] = 0
    strength[20_000:] = 2
    out = TargetNoise(fraction=0.2).perturb(y, strength=strength, rng=generator(0))
    changed = (out.argmax(1) != y.argmax(1)).float()
    # a redrawn label hits the old one in a fifth of the draws
    assert [part.mean().item() for part in changed.split(10_000)] == pytest.approx([0, 0.16, 0.32], abs=0.015)
    assert torch.equal(out.sum(1), torch.ones(30_000))
    drawn = out[changed.bool()].mean(0)
    assert drawn.tolist() == pytest.approx([0.2] * 5, abs=0.03)


def test_soft_targets_stay_or_become_hard() -> None:
    y = torch.full((4000, 2), 0.5, dtype=torch.float64)
    out = TargetNoise(fraction=0.5).perturb(y, strength=torch.ones(4000, 1), rng=generator(0))
    assert out.dtype == torch.float64
    assert (out[:, 0] == 0.5).double().mean() == pytest.approx(0.5, abs=0.04)
    assert set(out.unique().tolist()) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize("order", [("target_noise", "label_smoothing"), ("label_smoothing", "target_noise")])
def test_labels_are_flipped_before_they_are_smoothed(order: tuple[str, str]) -> None:
    values = {"target_noise": {"fraction": 1.0}, "label_smoothing": {"smoothing": 0.2}}
    policy = Policy(DataType.TABULAR, tuple(Step.of(name, **values[name]) for name in order))
    injector = policy.attach(nn.Linear(3, 4), epochs=1, steps_per_epoch=1)
    _, y = injector.perturb(torch.randn(500, 3), torch.zeros(500, dtype=torch.long))
    assert y.sort(1).values[0].tolist() == pytest.approx([0.05, 0.05, 0.05, 0.85])
    assert torch.allclose(y.amin(1), torch.tensor(0.05))  # no target is hard again
    assert (y.argmax(1) != 0).float().mean() == pytest.approx(0.75, abs=0.08)
