"""Any mapping is a batch, and one rule says how a model takes it."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.batches import batch_adapter
from autonoise.batches.mappings import call_model, logits_of, mapped, rebuilt, takes_keywords
from autonoise.batches.rows import rows_in, select, to_device
from autonoise.errors import AttachError
from autonoise.evaluation.monitor import RobustnessMonitor
from autonoise.evaluation.predict import probabilities
from autonoise.evaluation.uncertainty import deep_ensemble, mc_dropout
from autonoise.policy import Policy, Step
from autonoise.types import InputSpec


class Frozen(Mapping[str, Tensor]):
    """A mapping that cannot be changed and is made in its own way."""

    def __init__(self, ids: Tensor, mask: Tensor) -> None:
        self._held = {"input_ids": ids, "attention_mask": mask}

    def __getitem__(self, key: str) -> Tensor:
        return self._held[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


class Shared(Frozen):
    """A mapping whose copy is another view of the same entries."""

    def __setitem__(self, key: str, value: Tensor) -> None:
        self._held[key] = value


class Remembering(dict[str, Tensor]):
    note = "none"


def encoding(values: Mapping[str, Tensor]) -> Any:
    return pytest.importorskip("transformers").BatchEncoding(dict(values))


IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 9, 3, 0]] * 4)
VALUES = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}
KINDS: dict[str, tuple[Callable[[], Mapping[str, Tensor]], type]] = {
    "dict": (lambda: dict(VALUES), dict),
    "ordered": (lambda: OrderedDict(VALUES), OrderedDict),
    "subclass": (lambda: Remembering(VALUES), Remembering),
    "user dict": (lambda: UserDict(VALUES), UserDict),
    "batch encoding": (lambda: encoding(VALUES), object),
    "proxy": (lambda: MappingProxyType(dict(VALUES)), MappingProxyType),
    "frozen": (lambda: Frozen(IDS, VALUES["attention_mask"]), dict),
    "shared": (lambda: Shared(IDS, VALUES["attention_mask"]), dict),
}
every_kind = pytest.mark.parametrize(("make", "comes_back"), KINDS.values(), ids=list(KINDS))
SPEC = InputSpec(data_type="text", layout=(5,), pad_id=0, special_ids=(2, 3), vocabulary_size=11, mask_id=1)


class Named(nn.Module):
    """Takes its entries by name, as Transformers' models do, but has no config."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.drop, self.head = nn.Embedding(11, 6), nn.Dropout(0.5), nn.Linear(6, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        weight = attention_mask[..., None].float()
        return self.head(self.drop((self.table(input_ids) * weight).sum(1) / weight.sum(1)))


class Whole(Named):
    """Takes the batch as it is."""

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        return super().forward(batch["input_ids"], batch["attention_mask"])


# -- the mapping that comes back -----------------------------------------------------------------------------------


@every_kind
def test_a_changed_batch_is_of_the_same_class_where_that_can_be(
    make: Callable[[], Mapping[str, Tensor]], comes_back: type
) -> None:
    batch, new = make(), IDS + 1
    changed = rebuilt(batch, {"input_ids": new})
    assert isinstance(changed, type(batch) if comes_back is object else comes_back)
    assert isinstance(changed, Mapping)
    assert list(changed) == list(batch)
    assert changed["input_ids"] is new
    assert batch["input_ids"] is IDS
    assert changed["attention_mask"] is batch["attention_mask"]


def test_what_a_class_keeps_beside_its_entries_is_kept() -> None:
    batch = Remembering(VALUES)
    batch.note = "row 7"
    assert rebuilt(batch, {"input_ids": IDS + 1}).note == "row 7"


def test_rows_of_any_mapping() -> None:
    for make, _ in KINDS.values():
        batch = make()
        assert rows_in(batch) == 8
        part = to_device(select(batch, torch.tensor([1, 0])), "cpu")
        assert isinstance(part, Mapping)
        assert part["input_ids"].tolist() == [[2, 8, 9, 3, 0], [2, 5, 6, 7, 3]]
        doubled = mapped(batch, lambda t: 2 * t)
        assert isinstance(doubled, Mapping)
        assert torch.equal(doubled["attention_mask"], 2 * VALUES["attention_mask"])
        assert torch.equal(batch["attention_mask"], VALUES["attention_mask"])


# -- a policy at work ----------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("model", [Named, Whole])
def test_every_kind_of_mapping_trains_like_the_dict(
    make: Callable[[], Mapping[str, Tensor]], comes_back: type, model: type[nn.Module]
) -> None:
    steps = [Step.of("token_masking", fraction=0.5), Step.of("mixup", alpha=0.4), Step.of("two_view_consistency")]
    results = []
    for batch in (dict(VALUES), make()):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = model()
        injector = Policy("text", steps).attach(net, epochs=1, steps_per_epoch=4, input=SPEC)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        y = torch.arange(8) % 3
        with torch.random.fork_rng():
            torch.manual_seed(1)
            results.append([injector.training_step(batch, y, optimizer) for _ in range(3)])
    assert torch.equal(torch.stack(results[0]), torch.stack(results[1]))


@every_kind
def test_perturb_gives_the_kind_of_mapping_back(make: Callable[[], Mapping[str, Tensor]], comes_back: type) -> None:
    batch = make()
    injector = Policy("text", [Step.of("token_masking", fraction=0.5)]).attach(
        Named(), epochs=1, steps_per_epoch=4, input=SPEC
    )
    x, _ = injector.perturb(batch, torch.arange(8) % 3)
    assert isinstance(x, type(batch) if comes_back is object else comes_back)
    assert isinstance(x, Mapping)
    assert not torch.equal(x["input_ids"], IDS)
    assert torch.equal(batch["input_ids"], IDS)


@every_kind
def test_monitor_uncertainty_and_score_take_them(make: Callable[[], Mapping[str, Tensor]], comes_back: type) -> None:
    for model in (Named(), Whole()):
        y = torch.arange(8) % 3
        injector = Policy("text").attach(model, epochs=1, steps_per_epoch=4, input=SPEC)
        model.eval()
        plain = model(VALUES) if isinstance(model, Whole) else model(**VALUES)
        expected = plain.softmax(1)
        assert torch.allclose(injector.forward(make()), plain)
        assert torch.allclose(deep_ensemble([model], make())[0], expected)
        assert mc_dropout(model, make(), samples=4).std(0).max() > 0
        assert torch.allclose(torch.from_numpy(probabilities(model, make())).float(), expected, atol=1e-6)
        monitor = RobustnessMonitor(injector, {"clean": (make(), y), "other": [(make(), y), (make(), y)]})
        row = monitor.epoch()
        assert row is not None
        assert row["clean"] == row["noisy.other"] == float((plain.argmax(1) == y).float().mean())


def test_a_transformers_model_with_its_own_encoding() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=5, num_labels=3,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    batch = encoding({**VALUES, "token_type_ids": torch.zeros_like(IDS)})
    injector = Policy("text", [Step.of("token_masking", fraction=0.5)]).attach(
        model, epochs=1, steps_per_epoch=4, input=SPEC
    )
    loss = injector.training_step(batch, torch.arange(8) % 3, torch.optim.SGD(model.parameters(), lr=0.1))
    assert torch.isfinite(loss)
    expected = model.eval()(**batch).logits
    assert torch.allclose(call_model(model, batch), expected)
    assert torch.allclose(deep_ensemble([model], batch)[0], expected.softmax(1))
    # what forward does not name is Transformers' to refuse, not a reason to call it in another way
    assert takes_keywords(model, {**VALUES, "sentence": IDS})


# -- how a model is called -----------------------------------------------------------------------------------------


def model_of(forward: Callable[..., Any], **attributes: Any) -> nn.Module:
    made = type("Made", (nn.Module,), {"forward": forward})()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(("model", "unpacks"), [
    (model_of(lambda self, input_ids, attention_mask: 0), True),
    (model_of(lambda self, input_ids, attention_mask=None, labels=None: 0), True),
    (model_of(lambda net, input_ids, attention_mask: 0), True),  # whatever the model calls itself
    (model_of(lambda input_ids, attention_mask: 0), False),  # here the name of the model itself
    (model_of(lambda self, batch: 0), False),
    (model_of(lambda self, batch, attention_mask=None: 0), False),
    (model_of(lambda self, input_ids: 0), False),
    (model_of(lambda self, input_ids, attention_mask, labels: 0), False),
    (model_of(lambda self, *args, **kwargs: 0), False),
    (model_of(lambda self, *args, **kwargs: 0, config="of a wrapped transformer"), True),
    (model_of(lambda self, input_ids, labels=None: 0, config="of a transformer"), True),
    # GPT-like code keeps a config of its own
    (model_of(lambda self, batch: 0, config="my own"), False),
])  # fmt: skip
def test_one_rule_says_how_a_mapping_is_handed_over(model: nn.Module, unpacks: bool) -> None:
    assert takes_keywords(model, VALUES) is unpacks
    assert takes_keywords(nn.DataParallel(model), VALUES) is unpacks


def test_what_only_the_noise_needs_to_know_is_kept_from_the_model() -> None:
    seen: list[set[str]] = []

    def forward(self: nn.Module, input_ids: Tensor, attention_mask: Tensor, **more: Tensor) -> Tensor:
        seen.append({"input_ids", "attention_mask", *more})
        return input_ids

    batch = {**VALUES, "special_tokens_mask": IDS == 2}
    call_model(model_of(forward, config="of a transformer"), batch)
    call_model(model_of(lambda self, input_ids, attention_mask: input_ids), batch)
    assert seen == [{"input_ids", "attention_mask"}]
    named = model_of(lambda self, input_ids, attention_mask, special_tokens_mask: special_tokens_mask)
    assert call_model(named, batch) is batch["special_tokens_mask"]


def test_logits_in_what_a_model_returns() -> None:
    x = torch.randn(2, 3)
    wrapped = type("Output", (), {"logits": x})()
    for out in (x, (x, None), [x], {"logits": x, "loss": 0}, wrapped):
        assert logits_of(out) is x
    with pytest.raises(AttachError, match="returned a dict: say how they are got, forward="):
        logits_of({"scores": x})


@pytest.mark.parametrize(("batch", "says"), [
    ({"input_ids": [[1, 2]]}, "'input_ids' must be a tensor, but is a list: .*return_tensors='pt'"),
    ({"input_ids": IDS, "attention_mask": [[1]]}, "'attention_mask' must be a tensor, but is a list"),
    (UserDict({"words": IDS}), "needs one of the keys input_ids, .* but has words"),
    ([IDS], "must be a tensor or a dict of tensors, but is a list"),
])  # fmt: skip
def test_what_is_no_batch_is_refused(batch: Any, says: str) -> None:
    with pytest.raises(AttachError, match=says):
        batch_adapter("text").open(batch, SPEC)
