"""Models that know nothing of autonoise, each trained with every technique of its data type."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import Policy, Step
from autonoise.technique.registry import Technique, techniques_for
from autonoise.testing.samples import CLASSES, LENGTH, SPECS, VOCABULARY, leaves, same, targets, tensor_batch
from autonoise.testing.training import companion
from autonoise.types import Batch, DataType, Stage
from contract.samples import named


class Encoder(nn.Module):
    """A text classifier around nn.TransformerEncoder; ids (B, L), inside (B, L, E) or (L, B, E)."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.table = nn.Embedding(VOCABULARY, 8, padding_idx=0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        h = self.table(ids)
        h = h if self.batch_first else h.transpose(0, 1)
        h = self.encoder(h, src_key_padding_mask=ids == 0)
        return self.head(h.mean(1 if self.batch_first else 0))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 8, num_layers=2, bidirectional=True)
        self.out = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x.permute(2, 0, 1))
        return self.out(states.mean(0))


def plain_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(54, CLASSES),
    )  # fmt: skip


def bert() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=LENGTH, num_labels=CLASSES, attn_implementation="eager",
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config)


def bert_batch(number: int) -> dict[str, Tensor]:
    ids = tensor_batch(DataType.TEXT, seed=number)
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def batch_of(data_type: DataType) -> Callable[[int], Batch]:
    return lambda number: tensor_batch(data_type, seed=number)


FOREIGN: dict[str, tuple[DataType, Callable[[], nn.Module], Callable[[int], Batch]]] = {
    "bert": (DataType.TEXT, bert, bert_batch),
    "transformer": (DataType.TEXT, lambda: Encoder(True), batch_of(DataType.TEXT)),
    "transformer-sequence-first": (DataType.TEXT, lambda: Encoder(False), batch_of(DataType.TEXT)),
    "lstm": (DataType.TIMESERIES, Recurrent, batch_of(DataType.TIMESERIES)),
    "cnn-without-norms": (DataType.IMAGE, plain_cnn, batch_of(DataType.IMAGE)),
}
CASES = [(m, t) for m, (d, _, _) in FOREIGN.items() for t in techniques_for(d) if t.stage is not Stage.RAW]


@lru_cache(maxsize=8)
def _made(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FOREIGN[name][1]()


def fresh(name: str) -> nn.Module:
    return copy.deepcopy(_made(name)).train()


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def attach(policy: Policy, model: nn.Module, **options: Any) -> Any:
    spec = SPECS[policy.data_type]
    return policy.attach(model, **({"epochs": 1, "steps_per_epoch": 3, "input": spec} | options))


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{m}-{t.name}" for m, t in CASES])
def test_training_a_foreign_model(name: str, kind: type[Technique]) -> None:
    data_type, _, batch = FOREIGN[name]
    model = fresh(name)
    keys, before = list(model.state_dict()), hooks(model)
    step = Step(kind())
    steps = [step] + ([Step(companion(data_type)())] if kind.stage is Stage.STEP else [])
    policy = Policy(data_type, tuple(steps))
    site = kind.default_site
    try:
        injector = attach(policy, model)
    except AttachError as e:
        # a model may lack what a technique acts on: then one line says so, and the model stays as it was
        assert site in ("residual", "front_end"), str(e)
        assert "sites=" in str(e) or "matches no module" in str(e)
        assert hooks(model) == before
        return
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    start = [p.detach().clone() for p in model.parameters()]
    if policy.pretrains:
        assert injector.pretrain(lambda: map(batch, range(2))) > 0
    for number in range(3):
        loss = injector.training_step(
            batch(number), targets(number), optimizer, max_norm=1.0, rows=torch.arange(len(targets(number)))
        )
        assert bool(torch.isfinite(loss))
        assert list(model.state_dict()) == keys
    assert not same(start, [p.detach() for p in model.parameters()])
    assert all(bool(torch.isfinite(p).all()) for p in leaves(model.state_dict()) if p.is_floating_point())
    injector.detach()
    assert hooks(model) == before
    reference = fresh(name).eval()
    reference.load_state_dict(model.state_dict())
    with torch.no_grad():
        call = (lambda m, x: m(**x).logits) if name == "bert" else (lambda m, x: m(x))
        assert torch.equal(call(model.eval(), batch(9)), call(reference, batch(9)))


def test_every_foreign_model_is_known_to_most_techniques() -> None:
    """The test above allows refusals; here is how many there may be: techniques for residual branches only."""
    refused = []
    for name, kind in CASES:
        model = fresh(name)
        try:
            attach(Policy(FOREIGN[name][0], (Step(kind()),)), model).detach()
        except AttachError:
            refused.append((name, kind.default_site))
    assert set(refused) <= {("lstm", "residual"), ("cnn-without-norms", "residual")}


WEIGHT = [(k, d) for d in DataType for k in techniques_for(d) if k.stage is Stage.WEIGHT and d is DataType.TEXT]


@pytest.mark.parametrize(("kind", "data_type"), WEIGHT, ids=named(WEIGHT))
@pytest.mark.parametrize("name", FOREIGN)
def test_weights_are_noisy_inside_and_clean_outside(name: str, kind: type[Technique], data_type: DataType) -> None:
    """Every weight matrix is used noisily (also out_proj and LSTM weights) and is its old self afterwards."""
    data_type, _, batch = FOREIGN[name]
    model, plain = fresh(name), fresh(name)
    for module in (*model.modules(), *plain.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    parameters = {n: p.detach().clone() for n, p in model.named_parameters()}
    wanted = {n for n, p in parameters.items() if p.ndim > 1}
    swap = attach(Policy(data_type, (Step(kind()),)), model).placed.weights[0]
    used: list[int] = []
    original = swap._noise
    swap._noise = lambda w, number: (used.append(id(w)), original(w, number))[1]
    call = (lambda m, x: m(**x).logits) if name == "bert" else (lambda m, x: m(x))
    out = call(model, batch(0))
    assert {n for n, p in model.named_parameters() if id(p) in used} == wanted
    assert not torch.allclose(out, call(plain, batch(0)))
    for n, p in model.named_parameters():
        assert isinstance(p, nn.Parameter)
        assert torch.equal(p, parameters[n])
    out.square().sum().backward()
    assert all(p.grad is not None for n, p in model.named_parameters() if n in wanted)


def test_lstm_without_noise_runs_on_its_own_weights_again() -> None:
    model = fresh("lstm")
    injector = attach(Policy("timeseries", (Step.of("weight_noise", sigma=0.5),)), model)
    x = tensor_batch(DataType.TIMESERIES)
    noisy = model(x)
    lstm = model.lstm
    assert isinstance(lstm, nn.LSTM)
    assert all(w is getattr(lstm, n) for w, n in zip(lstm._flat_weights, lstm._flat_weights_names))
    assert all(r() is w for r, w in zip(lstm._flat_weight_refs, lstm._flat_weights))
    injector.detach()
    assert not torch.allclose(noisy, model(x))
    assert torch.equal(model(x), fresh("lstm")(x))
