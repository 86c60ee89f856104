from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from autonoise.errors import AttachError
from autonoise.ops.random import generator
from autonoise.techniques.denoising_autoencoder import DenoisingAutoencoder
from autonoise.types import BatchInfo, DataType, InputSpec

SERIES = BatchInfo(InputSpec(data_type=DataType.TIMESERIES, layout=(2, 5)))
TEXT = InputSpec(data_type=DataType.TEXT, layout=(6,), pad_id=0, mask_id=1, vocabulary_size=8)


def view(x: torch.Tensor, info: BatchInfo, head: nn.Module, features: torch.Tensor) -> SimpleNamespace:
    seen: list[torch.Tensor] = []

    def of(batch: torch.Tensor) -> tuple[torch.Tensor, None]:
        seen.append(batch)
        return features, None

    def made(make):
        fresh = make()
        assert [p.shape for p in fresh.parameters()] == [p.shape for p in head.parameters()]
        return head

    return SimpleNamespace(
        clean=x,
        canonical=lambda batch: (batch, info),
        map_input=lambda f: f(x, info),
        features=of,
        head=made,
        rng=generator(0),
        strength=0.5,
        seen=seen,
    )


def linear(inputs: int, outputs: int, bias: torch.Tensor) -> nn.Linear:
    head = nn.Linear(inputs, outputs)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(bias)
    return head


def test_the_loss_is_the_squared_error_of_the_clean_input() -> None:
    x = torch.randn(3, 2, 5, generator=generator(1))
    step = view(x, SERIES, linear(4, 10, torch.full((10,), 2.0)), torch.zeros(3, 4))
    loss = DenoisingAutoencoder(p=0.5, weight=0.2).extra_loss(step)
    assert loss.item() == pytest.approx(0.1 * ((x - 2) ** 2).mean().item(), rel=1e-5)
    masked = step.seen[0] == 0
    assert 0.2 < masked.float().mean() < 0.8
    assert torch.equal(step.seen[0][~masked], x[~masked])


def test_a_text_is_asked_for_its_words() -> None:
    ids = torch.tensor([[5, 5, 5, 6, 0, 0]])
    info = BatchInfo(TEXT, valid=ids != 0)
    logits = torch.arange(8.0)
    step = view(ids, info, linear(4, 8, logits), torch.zeros(1, 4))
    expected = -(0.75 * logits.log_softmax(0)[5] + 0.25 * logits.log_softmax(0)[6])
    assert DenoisingAutoencoder(weight=1.0).extra_loss(step).item() == pytest.approx(0.5 * expected.item())


def test_the_share_that_is_masked_and_with_what() -> None:
    technique, rng = DenoisingAutoencoder(p=0.3), generator(0)
    image = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(2, 40, 40)))
    x = torch.rand(20, 2, 40, 40, generator=rng)
    out = technique.masked(x, image, rng=rng)
    assert (out != x).float().mean() == pytest.approx(0.3, abs=0.01)
    hit = out[:, 0] != x[:, 0]
    assert out[:, 0][hit].unique().tolist() == pytest.approx([x[:, 0].mean().item()])

    ids = torch.full((100, 50), 5)
    ids[:, 25:] = 0
    out = technique.masked(ids, BatchInfo(TEXT, valid=ids != 0), rng=rng)
    assert (out[:, :25] == 1).float().mean() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(out[:, 25:], ids[:, 25:])


def test_features_of_a_table_go_whole_with_their_flag() -> None:
    spec = InputSpec(data_type=DataType.TABULAR, layout=(4,), numeric=(0,), onehot=((1, 2),), flags=((3, 0),))
    info = BatchInfo(spec, feature_of=torch.tensor([0, 1, 1, 0]))
    x = torch.tensor([[7.0, 1.0, 5.0, 0.0]]).expand(2000, 4)
    out = DenoisingAutoencoder(p=0.4).masked(x, info, rng=generator(0))
    rows = {tuple(row) for row in out.tolist()}
    assert rows == {(7, 1, 5, 0), (0, 1, 5, 1), (7, 0, 0, 0), (0, 0, 0, 1)}
    assert (out[:, 0] == 0).float().mean() == pytest.approx(0.4, abs=0.04)


def test_a_text_without_a_mask_token_is_refused() -> None:
    info = BatchInfo(InputSpec(data_type=DataType.TEXT, layout=(2,)))
    with pytest.raises(AttachError, match="needs mask_id or unk_id"):
        DenoisingAutoencoder().masked(torch.ones(1, 2, dtype=torch.long), info, rng=generator(0))
