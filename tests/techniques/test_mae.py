from __future__ import annotations

import pytest
import torch

from autonoise.techniques.mae import MAE

LOGITS = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]))


def test_by_hand_for_hard_and_soft_targets() -> None:
    y = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]])
    # .3 + .2 + .1 = 2 (1 - .7); .2 + .3 + .1
    assert MAE().loss(LOGITS, y).tolist() == pytest.approx([0.6, 0.6])


def test_bounded_by_two_and_zero_when_certain() -> None:
    sure = torch.tensor([[100.0, -100.0]])
    assert MAE().loss(sure, torch.tensor([[0.0, 1.0]])).item() == pytest.approx(2)
    assert MAE().loss(sure, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0)


def test_two_robust_losses_or_consistency_contradict_it() -> None:
    assert MAE.conflicts == {"loss", "consistency"}
    assert MAE.tags == {"loss"}
