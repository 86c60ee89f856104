from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.evaluation import predict
from autonoise.evaluation.predict import probabilities


class Echo(nn.Module):
    """Returns the rows as logits, remembers how many came at once, and draws from torch's global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.BatchNorm1d(2)
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training and not torch.is_grad_enabled()
        torch.rand(3)
        self.sizes.append(len(x))
        return x


def test_modes_and_random_generators_are_as_before() -> None:
    model = Echo().train()
    model.frozen.eval()
    state = torch.get_rng_state()
    probabilities(model, torch.zeros(4, 2))
    assert model.training and not model.frozen.training
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_go_in_pieces_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "EVALUATION_BATCH", 3)
    model, x = Echo(), torch.stack([torch.zeros(8), torch.log(torch.arange(1.0, 9.0))], 1)
    p = probabilities(model, x, device="cpu")
    assert model.sizes == [3, 3, 2] and p.dtype == np.float64
    np.testing.assert_allclose(p[:, 1], [1 / 2, 2 / 3, 3 / 4, 4 / 5, 5 / 6, 6 / 7, 7 / 8, 8 / 9], atol=1e-7)


def test_rows_that_diverged_are_guesses() -> None:
    x = torch.tensor([[0.0, 0.0, 0.0], [torch.nan, 1.0, 2.0], [0.0, torch.inf, 0.0]])
    np.testing.assert_allclose(probabilities(Echo(), x), np.full((3, 3), 1 / 3))


def test_a_model_of_one_output_is_refused_and_gets_its_mode_back() -> None:
    model = Echo().train()
    with pytest.raises(AttachError, match="one output"):
        probabilities(model, torch.zeros(4, 1))
    assert model.training
    p = probabilities(model, torch.zeros(4, 1), lambda m, x: m(torch.cat([x, x + np.log(3)], 1)))
    np.testing.assert_allclose(p, np.tile([0.25, 0.75], (4, 1)), atol=1e-7)
