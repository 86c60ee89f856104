from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from autonoise.ops.random import generator
from autonoise.techniques.gce import GCE
from autonoise.techniques.mae import MAE

LOGITS = torch.randn(5, 4, generator=generator(0), dtype=torch.float64)
SOFT = torch.rand(5, 4, generator=generator(1), dtype=torch.float64)
SOFT = SOFT / SOFT.sum(1, keepdim=True)


def test_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.25, 0.75]]))
    # (1 - sqrt(1/4)) / .5 = 1
    assert GCE(q=0.5).loss(logits, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(1)


def test_limits_are_cross_entropy_and_half_of_the_mae() -> None:
    assert torch.allclose(GCE(q=0.001).loss(LOGITS, SOFT), F.cross_entropy(LOGITS, SOFT, reduction="none"), rtol=2e-3)
    hard = F.one_hot(torch.tensor([0, 1, 2, 3, 0]), 4).double()
    assert torch.allclose(GCE(q=1.0).loss(LOGITS, hard), MAE().loss(LOGITS, hard) / 2)


def test_the_formula_written_again() -> None:
    p = torch.softmax(LOGITS, 1)
    again = [sum(SOFT[i, c].item() * (1 - p[i, c].item() ** 0.7) / 0.7 for c in range(4)) for i in range(5)]
    assert GCE(q=0.7).loss(LOGITS, SOFT).tolist() == pytest.approx(again)


def test_gradients_stay_finite_where_a_probability_underflows() -> None:
    logits = torch.tensor([[0.0, 1000.0]], requires_grad=True)
    GCE(q=0.3).loss(logits, torch.tensor([[1.0, 0.0]])).sum().backward()
    assert torch.isfinite(logits.grad).all()
