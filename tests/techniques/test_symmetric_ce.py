from __future__ import annotations

import math

import pytest
import torch

from autonoise.techniques.symmetric_ce import SymmetricCE

LOGITS = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))


def test_by_hand_for_a_hard_label() -> None:
    # CE = ln 2, RCE = 4 (1 - .5) = 2
    y = torch.tensor([[1.0, 0.0, 0.0]])
    assert SymmetricCE(alpha=0.1, beta=1.0).loss(LOGITS, y).item() == pytest.approx(0.1 * math.log(2) + 2)
    assert SymmetricCE(alpha=6.0, beta=0.1).loss(LOGITS, y).item() == pytest.approx(6 * math.log(2) + 0.2)


def test_by_hand_for_a_soft_label() -> None:
    y = torch.tensor([[0.6, 0.4, 0.0]])
    forward = -(0.6 * math.log(0.5) + 0.4 * math.log(0.3))
    reverse = -(0.5 * math.log(0.6) + 0.3 * math.log(0.4) + 0.2 * -4)
    assert SymmetricCE(alpha=1.0, beta=1.0).loss(LOGITS, y).item() == pytest.approx(forward + reverse)


def test_gradients_are_finite() -> None:
    logits = torch.tensor([[0.0, 500.0]], requires_grad=True)
    SymmetricCE().loss(logits, torch.tensor([[1.0, 0.0]])).sum().backward()
    assert torch.isfinite(logits.grad).all()
