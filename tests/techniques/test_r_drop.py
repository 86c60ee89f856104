from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.r_drop import RDrop

FIRST, SECOND = torch.randn(2, 6, 4, generator=generator(0), dtype=torch.float64)


def test_the_mean_of_both_divergences() -> None:
    p, q = FIRST.softmax(1), SECOND.softmax(1)
    both = ((p * (p / q).log()).sum(1) + (q * (q / p).log()).sum(1)) / 2
    assert RDrop(weight=3.0).compare(torch.stack([FIRST, SECOND])).item() == pytest.approx(3 * both.mean().item())


def test_both_passes_are_pulled() -> None:
    """The gradient moves the first towards the second and the second towards the first."""
    logits = torch.stack([FIRST, SECOND]).requires_grad_(True)
    RDrop().compare(logits).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    for own, other, grad in ((FIRST, SECOND, logits.grad[0]), (SECOND, FIRST, logits.grad[1])):
        assert ((other.softmax(1) - own.softmax(1)) * grad).sum() < 0
    assert RDrop().compare(torch.stack([FIRST, FIRST])).item() == pytest.approx(0, abs=1e-12)


def test_certain_predictions_that_contradict_stay_finite() -> None:
    sure = (torch.tensor([[[1.0, -1.0]], [[-1.0, 1.0]]]) * 1e4).requires_grad_(True)
    loss = RDrop().compare(sure)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss) and sure.grad is not None and torch.isfinite(sure.grad).all()
