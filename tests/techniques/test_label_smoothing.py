from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from autonoise.ops.random import generator
from autonoise.techniques.label_smoothing import LabelSmoothing

LOGITS = torch.randn(6, 4, generator=generator(1))
LABELS = torch.tensor([0, 1, 2, 3, 3, 0])
HARD = F.one_hot(LABELS, 4).float()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3, 1.0])
def test_cross_entropy_with_the_targets_is_torchs_label_smoothing(smoothing: float) -> None:
    y = LabelSmoothing(smoothing=smoothing).perturb(HARD, strength=torch.ones(6, 1), rng=generator(0))
    assert F.cross_entropy(LOGITS, y).item() == pytest.approx(
        F.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing).item(), abs=1e-6
    )


def test_strength_is_per_sample_and_never_goes_beyond_uniform() -> None:
    y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.7, 0.3], [1.0, 0.0]])
    out = LabelSmoothing(smoothing=0.2).perturb(y, strength=torch.tensor([[0.0], [1], [0.5], [50]]), rng=generator(0))
    assert out[0].tolist() == [1, 0]
    assert out[1:].flatten().tolist() == pytest.approx([0.9, 0.1, 0.68, 0.32, 0.5, 0.5])


def test_softening_twice_is_a_conflict() -> None:
    assert LabelSmoothing.tags & LabelSmoothing.conflicts
