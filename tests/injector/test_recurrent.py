"""Noise behind recurrent layers: plain, packed, batch first or second, both directions; and in models without norms."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from autonoise.injector.recurrent import changed_output
from autonoise.policy import Policy, Step

B, L, CLASSES = 5, 7, 3
LENGTHS = torch.tensor([4, 7, 1, 7, 3])
X = torch.randn(B, L, 2, generator=torch.Generator().manual_seed(0))


def recurrent(kind: str, **options: Any) -> nn.RNNBase:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        made: nn.RNNBase = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind](2, 4, **options)
        return made


def packed(x: Tensor, *, batch_first: bool) -> PackedSequence:
    x = x if batch_first else x.transpose(0, 1)
    return pack_padded_sequence(x, LENGTHS, batch_first=batch_first, enforce_sorted=False)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("kind", "options"), [
    ("lstm", {}), ("gru", {}), ("rnn", {}), ("lstm", {"num_layers": 2, "bidirectional": True}),
    ("gru", {"bidirectional": True}), ("lstm", {"proj_size": 3}),
])  # fmt: skip
def test_the_last_state_follows_the_outputs(kind: str, options: dict[str, Any], batch_first: bool, pack: bool) -> None:
    """Doubling the outputs doubles the last layer's state; the layers below and the cell state stay."""
    module = recurrent(kind, batch_first=batch_first, **options)
    x = X if batch_first else X.transpose(0, 1)
    out, states = module(packed(X, batch_first=batch_first) if pack else x)
    new, new_states = changed_output(module, (out, states), lambda h: 2 * h, tokens_first=not batch_first)
    if pack:
        assert isinstance(new, PackedSequence)
        assert torch.equal(new.data, 2 * out.data)
        for a, b in zip(pad_packed_sequence(new), pad_packed_sequence(out), strict=True):
            assert torch.equal(a, 2 * b if a.is_floating_point() else b)
    else:
        assert torch.equal(new, 2 * out)
    hidden, cell = states if kind == "lstm" else (states, None)
    new_hidden, new_cell = new_states if kind == "lstm" else (new_states, None)
    directions = 2 if options.get("bidirectional") else 1
    assert torch.allclose(new_hidden[-directions:], 2 * hidden[-directions:])
    assert torch.equal(new_hidden[:-directions], hidden[:-directions])
    assert cell is new_cell


def test_packed_sequences_that_are_sorted_already_stay_so() -> None:
    module = recurrent("gru", batch_first=True)
    order = LENGTHS.argsort(descending=True)
    out, state = module(pack_padded_sequence(X[order], LENGTHS[order], batch_first=True))
    new, _ = changed_output(module, (out, state), lambda h: h + 1, tokens_first=False)
    assert new.sorted_indices is None
    assert torch.equal(new.data, out.data + 1)


def test_what_is_not_changed_stays_the_same_object_and_other_outputs_are_none() -> None:
    module = recurrent("gru", batch_first=True)
    out, state = module(packed(X, batch_first=True))
    same, same_state = changed_output(module, (out, state), lambda h: h, tokens_first=False)
    assert same is out
    assert same_state is state
    for other in ({"logits": X}, None, (), ("text", X), [X]):
        assert changed_output(module, other, lambda h: h + 1, tokens_first=False) is None


class Net(nn.Module):
    """Reads the last state, as most models of sequences do."""

    def __init__(self, kind: str, batch_first: bool, pack: bool) -> None:
        super().__init__()
        self.batch_first, self.pack = batch_first, pack
        self.rnn, self.out = recurrent(kind, batch_first=batch_first), nn.Linear(4, CLASSES)

    def forward(self, series: Tensor) -> Tensor:
        x = series.transpose(1, 2)
        states = self.rnn(packed(x, batch_first=self.batch_first) if self.pack else self.turned(x))[1]
        self.state = states[0] if isinstance(states, tuple) else states
        out: Tensor = self.out(self.state[-1])
        return out

    def turned(self, x: Tensor) -> Tensor:
        return x if self.batch_first else x.transpose(0, 1)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_model_that_reads_the_last_state_trains_with_noise(
    kind: str, batch_first: bool, pack: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = Net(kind, batch_first, pack)
    series, y = X.transpose(1, 2), torch.arange(B) % CLASSES
    keys, clean = list(model.state_dict()), model(series).detach()
    policy = Policy("timeseries", [Step.of("activation_noise", sigma=0.2, probability=0.5)])  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        injector = policy.attach(model, epochs=1, steps_per_epoch=40, seed=1)
    assert "has no normalisation layers, so that its noise enters at rnn:output; other places" in caplog.text
    rows = torch.zeros(B)
    for _ in range(40):
        injector.perturb(series, y)
        moved = (model(series).detach() - clean).abs().amax(1) > 1e-6
        rows += moved
        injector.step()
    # each row for itself, about half of the time, whatever its length
    assert bool((rows > 8).all())
    assert bool((rows < 32).all())
    assert torch.equal(model.eval()(series), clean)
    injector.detach()
    assert torch.equal(model.train()(series), clean)
    assert list(model.state_dict()) == keys


class Functional(nn.Module):
    """A CNN without norms whose activations are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)
        self.fc1, self.fc2 = nn.Linear(16, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2).flatten(1)
        out: Tensor = self.fc2(F.relu(self.fc1(h)))
        return out


@pytest.mark.parametrize(("model", "places"), [
    (Functional(), "conv1:output, conv2:output, fc1:output"),
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 3), nn.Tanh()),
     "2:output, 4:output"),  # and nothing behind the classifier
    (nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES)), "1:input"),
    (nn.Sequential(nn.Flatten(), *[m for _ in range(8) for m in (nn.Linear(64, 64), nn.ReLU())], nn.Linear(64, 3)),
     "2:output, 4:output, 6:output, 8:output, 10:output, 12:output and 2 more"),
])  # fmt: skip
def test_where_noise_enters_in_a_model_without_norms_is_told(
    model: nn.Module, places: str, caplog: pytest.LogCaptureFixture
) -> None:
    policy = Policy("image", [Step.of("activation_noise")])  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        injector = policy.attach(model, epochs=1, steps_per_epoch=2)
    assert [r.getMessage() for r in caplog.records] == [
        f"activation_noise: the model has no normalisation layers, so that its noise enters at {places}; other places "
        f"are named by sites={{'after_norm': 'glob*'}}"
    ]
    x, y = injector.perturb(torch.rand(4, 1, 8, 8), torch.arange(4) % CLASSES)
    injector.loss(model(x), y).backward()
    injector.step()
