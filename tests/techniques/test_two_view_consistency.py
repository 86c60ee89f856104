from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.gce import GCE
from autonoise.techniques.two_view_consistency import TwoViewConsistency

CLEAN, ONE, TWO = torch.randn(3, 6, 4, generator=generator(0), dtype=torch.float64)


def view(*logits: torch.Tensor, strength: float = 1.0) -> SimpleNamespace:
    views = iter(logits[1:])
    return SimpleNamespace(clean=logits[0], again=lambda: next(views), forward=lambda batch: batch, strength=strength)


def test_the_three_view_divergence_as_entropies() -> None:
    p = torch.stack([CLEAN, ONE, TWO]).softmax(2)
    entropy = torch.special.entr(p).sum(2)
    expected = (torch.special.entr(p.mean(0)).sum(1) - entropy.mean(0)).mean()
    got = TwoViewConsistency(weight=12.0).extra_loss(view(CLEAN, ONE, TWO, strength=0.5))
    assert got.item() == pytest.approx(6 * expected.item())


def test_bounds_and_finite_gradients_for_certain_predictions() -> None:
    sure = (torch.eye(3) * 1e4).unsqueeze(1).requires_grad_(True)
    loss = TwoViewConsistency(weight=1.0).extra_loss(view(*sure))
    loss.backward()
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item())
    assert torch.isfinite(sure.grad).all()
    assert TwoViewConsistency().extra_loss(view(CLEAN, CLEAN, CLEAN)).item() == pytest.approx(0, abs=1e-9)


def test_it_contradicts_robust_losses() -> None:
    assert TwoViewConsistency.tags & GCE.conflicts
    assert TwoViewConsistency().passes == 4
