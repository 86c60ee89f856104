from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.evaluation.uncertainty import (
    deep_ensemble,
    mc_dropout,
    mutual_information,
    predictive_entropy,
    predictive_mean,
)


def network(p: float = 0.5) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(p), nn.Linear(16, 3))


X = torch.linspace(-1, 1, 20).reshape(5, 4)


def test_only_dropout_is_random_and_everything_comes_back() -> None:
    model = network().train()
    model[0].eval()
    state, modes = torch.get_rng_state(), [m.training for m in model.modules()]
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    samples = mc_dropout(model, X, samples=7, seed=3)
    assert samples.shape == (7, 5, 3)
    assert torch.allclose(samples.sum(2), torch.ones(7, 5))
    assert samples.std(0).min() > 0
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())
    assert torch.equal(samples, mc_dropout(model, X, samples=7, seed=3))
    assert not torch.equal(samples, mc_dropout(model, X, samples=7, seed=4))


def test_without_dropout_noise_it_is_the_plain_prediction() -> None:
    model = network(p=0.0)
    plain = model.eval()(X).softmax(1)
    assert torch.allclose(mc_dropout(model, X, samples=2), plain.expand(2, 5, 3))


def test_a_deep_ensemble_stacks_its_members_and_takes_dicts_and_forwards() -> None:
    class Named(nn.Module):
        def __init__(self, shift: float) -> None:
            super().__init__()
            self.shift = shift

        def forward(self, x: Tensor) -> Tensor:
            assert not self.training
            return x + torch.tensor([self.shift, 0.0])

    members = [Named(0.0), Named(math.log(3))]
    zeros = torch.zeros(1, 2)
    assert deep_ensemble(members, {"x": zeros}).flatten().tolist() == pytest.approx([0.5, 0.5, 0.75, 0.25])
    own = deep_ensemble(members, {"y": zeros}, forward=lambda m, batch: 2 * m(batch["y"]))
    assert own.flatten().tolist() == pytest.approx([0.5, 0.5, 0.9, 0.1])
    assert all(m.training for m in members)


def test_entropies_by_hand() -> None:
    apart = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    assert predictive_mean(apart).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert predictive_entropy(apart).tolist() == pytest.approx([math.log(2)] * 2)
    # certain but contradicting members: all of it is disagreement; agreeing doubt: none
    assert mutual_information(apart).tolist() == pytest.approx([math.log(2), 0])


def test_what_cannot_be_sampled_is_refused() -> None:
    with pytest.raises(AttachError, match="needs dropout modules"):
        mc_dropout(nn.Linear(4, 2), X)
    with pytest.raises(ValueError, match="samples >= 1 must hold, but got 0"):
        mc_dropout(network(), X, samples=0)
    with pytest.raises(ValueError, match="at least one model"):
        deep_ensemble([], X)


def test_one_logit_says_nothing_of_probabilities() -> None:
    """Softmax over one logit is 1 whatever it is."""
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 1))
    for predict in (lambda: mc_dropout(model, torch.ones(2, 3)), lambda: deep_ensemble([model], torch.ones(2, 3))):
        with pytest.raises(AttachError, match=r"shape \(2, 1\).*two logits"):
            predict()
