from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.ops.token_states import find_token_states


class Encoder(nn.Module):
    def __init__(self, body: nn.Module, width: int, *, across: bool = False) -> None:
        super().__init__()
        self.embedding, self.body, self.across = nn.Embedding(20, width), body, across
        self.head = nn.Linear(width, 3)

    def forward(self, ids: Tensor) -> Tensor:
        h = self.embedding(ids)
        h = self.body(h.transpose(1, 2)).transpose(1, 2) if self.across else self.body(h)
        return self.head(h).mean(1)  # logits of each token, then their mean


def find(model: nn.Module, length: int = 10) -> tuple[nn.Module, tuple[int, int, int]]:
    ids = torch.arange(2 * length).reshape(2, length) % 20
    return find_token_states(model, model, ids, position=length // 2, other_id=19, classes=3)


def test_a_transformer_gives_its_last_layer_in_every_mode() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = Encoder(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), 8)
    assert find(model.eval()) == (model.body, (0, 1, 2))
    assert not model.training
    assert find(model.train()) == (model.body, (0, 1, 2))
    assert model.training


def test_an_lstm_gives_its_outputs() -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 8, batch_first=True)

        def forward(self, h: Tensor) -> Tensor:
            return self.lstm(h)[0] * 1.0

    model = Encoder(First(), 8)
    assert find(model) == (model.body, (0, 1, 2))


@pytest.mark.parametrize("length", [10, 8])
def test_channels_first_is_told_apart_even_when_width_and_length_agree(length: int) -> None:
    conv = nn.Conv1d(8, 8, 3, padding=1)
    model = Encoder(nn.Sequential(conv, nn.ReLU()), 8, across=True)
    assert find(model, length) == (model.body, (0, 2, 1))


def test_layers_that_do_not_see_their_context_do_not_count() -> None:
    model = Encoder(nn.Linear(8, 8), 8)
    with pytest.raises(AttachError, match="sees its context"):
        find(model)


@pytest.mark.parametrize("length", [10, 2])
@pytest.mark.parametrize("kind", ["transformer", "lstm"])
def test_layers_that_see_the_tokens_first(kind: str, length: int) -> None:
    """(L, B, H), as torch has it by default; also where there are as many texts as tokens."""

    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16)
            encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.embedding, self.head = nn.Embedding(20, 8), nn.Linear(8, 3)
            self.body = nn.LSTM(8, 4, bidirectional=True) if kind == "lstm" else encoder

        def forward(self, ids: Tensor) -> Tensor:
            h = self.body(self.embedding(ids).transpose(0, 1))
            return self.head((h[0] if kind == "lstm" else h).mean(0))

    model = Turned()
    assert find(model, length) == (model.body, (1, 0, 2))
