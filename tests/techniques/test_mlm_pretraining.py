from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autonoise.errors import AttachError
from autonoise.ops.random import generator
from autonoise.techniques.mlm_pretraining import MLMPretraining
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(
    data_type=DataType.TEXT, layout=(12,), classes=2, pad_id=0, mask_id=1, special_ids=(2,), vocabulary_size=40
)


class Conv(nn.Module):
    """A small text CNN that keeps the length, with a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.conv = nn.Embedding(40, 16), nn.Conv1d(16, 24, 3, padding=1)
        self.head = nn.Linear(24, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(self.embedding(ids).transpose(1, 2)).relu().amax(2))


def tools(model: nn.Module, spec: InputSpec = SPEC) -> dict:
    return {
        "rng": generator(0),
        "spec": spec,
        "forward": model,
        "open": lambda batch: (batch, BatchInfo(spec, valid=batch > 2)),
        "close": lambda batch, ids, spec: ids,
    }


def sentences(n: int = 64) -> torch.Tensor:
    """Runs of counting: each token follows from its neighbours."""
    start = torch.randint(3, 28, (n, 1), generator=generator(5))
    ids = start + torch.arange(12)
    ids[:, 0], ids[:, 10:] = 2, 0
    return ids


def model(seed: int = 0) -> Conv:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Conv()


def test_masked_tokens_are_learned_from_their_context(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    real = F.cross_entropy

    def spy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss = real(logits, target)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(F, "cross_entropy", spy)
    net, batches = model(), sentences(256).split(16)
    state = torch.get_rng_state()
    cost = MLMPretraining(epochs=5, learning_rate=0.01).pretrain(net, lambda: batches, tools(net))
    assert (cost, len(losses)) == (5, 80)
    assert losses[0] == pytest.approx(math.log(40), abs=0.4)
    assert sum(losses[-8:]) / 8 < 1.5  # without context no better than log 34 = 3.5
    assert torch.equal(state, torch.get_rng_state())
    assert net.training
    assert all(p.grad is None for p in net.parameters())


def test_equal_generators_give_equal_models() -> None:
    nets = [model(), model()]
    for net in nets:
        net.eval()
        MLMPretraining(epochs=1).pretrain(net, lambda: sentences(64).split(16), tools(net))
        assert not net.training
    assert torch.equal(nets[0].conv.weight, nets[1].conv.weight)
    assert not torch.equal(nets[0].conv.weight, model().conv.weight)
    assert torch.equal(nets[0].head.weight, model().head.weight)


def test_the_shares_80_10_10() -> None:
    ids = torch.full((400, 100), 30)
    ids[:, 50:] = 0
    ids[:, 0] = 2
    real = ids == 30
    out, chosen = MLMPretraining(mask=0.2).corrupted(ids, real, 1, 40, SPEC, generator(0))
    assert chosen[real].float().mean() == pytest.approx(0.2, abs=0.01)
    assert not chosen[~real].any()
    assert torch.equal(out[~chosen], ids[~chosen])
    masked, same = (out[chosen] == 1).float().mean(), (out[chosen] == 30).float().mean()
    # the drawn 10 % are words, of which there are 37, one of them the word itself
    assert masked == pytest.approx(0.8, abs=0.01)
    assert same == pytest.approx(0.1 + 0.1 / 37, abs=0.01)
    assert not ((out == 0) | (out == 2))[chosen].any()


def test_special_ids_are_neither_replaced_nor_drawn_wherever_they_stand_in_the_vocabulary() -> None:
    spec = InputSpec(
        data_type=DataType.TEXT, layout=(40,), pad_id=3, mask_id=7, unk_id=11, special_ids=(0, 19), vocabulary_size=20
    )
    special = torch.tensor([0, 3, 7, 11, 19])
    ids = torch.randint(20, (400, 40), generator=generator(1))
    seen: list[torch.Tensor] = []

    class Recording(MLMPretraining):
        def corrupted(self, *args: object) -> tuple[torch.Tensor, torch.Tensor]:
            out, chosen = super().corrupted(*args)  # type: ignore[arg-type]
            seen.extend((out, chosen))
            return out, chosen

    net = model()
    helpers = tools(net, spec) | {"open": lambda batch: (batch, BatchInfo(spec))}
    Recording(epochs=1, mask=0.5).pretrain(net, lambda: [ids], helpers)
    out, chosen = seen
    assert not (chosen & torch.isin(ids, special)).any()
    written = out[out != ids]
    assert set(written.tolist()) == {7, *(set(range(20)) - set(special.tolist()))}


def test_models_and_texts_it_cannot_serve() -> None:
    bag = nn.Sequential(nn.EmbeddingBag(40, 8), nn.Linear(8, 2))
    with pytest.raises(AttachError, match="no layer with a state"):
        MLMPretraining().pretrain(bag, lambda: [sentences()], tools(bag))
    spec = InputSpec(data_type=DataType.TEXT, layout=(12,))
    with pytest.raises(AttachError, match="needs mask_id or unk_id"):
        MLMPretraining().pretrain(bag, lambda: [sentences()], tools(bag, spec))
