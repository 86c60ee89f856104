"""The contract over the registry, and what the injector promises beside it for every technique."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from autonoise.ops.random import _normal_table
from autonoise.policy import Policy
from autonoise.technique.registry import Technique
from autonoise.technique.schedule import Schedule
from autonoise.testing import promises_of
from autonoise.testing.promises import Promise, plain_training
from autonoise.testing.samples import dict_batch, model_for, same, spec_of, targets, tensor_batch
from autonoise.testing.training import Trainer, policy_for
from autonoise.types import DataType, Stage
from contract.samples import PAIRS, at_stages, named

IN_MODEL = at_stages(but=(Stage.RAW,))
pairs = pytest.mark.parametrize(("kind", "data_type"), IN_MODEL, ids=named(IN_MODEL))
CONTRACT = [(promise, kind, data_type) for kind, data_type in PAIRS for promise in promises_of(kind, data_type)]


@pytest.mark.parametrize(
    ("promise", "kind", "data_type"), CONTRACT, ids=[f"{k.name}-{d}-{p.__name__}" for p, k, d in CONTRACT]
)
def test_contract(promise: Promise, kind: type[Technique], data_type: DataType) -> None:
    promise(kind, data_type)


def anatomy(model: nn.Module) -> dict[str, Any]:
    """All that hangs on a model besides numbers: hooks, attributes, settings."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        found[name] = sorted(module.__dict__)
        for key, value in vars(module).items():
            if key.endswith(("hooks", "hooks_with_kwargs", "hooks_always_called")) and isinstance(value, dict):
                found[f"{name}.{key}"] = len(value)
            elif isinstance(value, int | float | str | bool):
                found[f"{name}.{key}"] = value
    return found


@pairs
def test_detaching_leaves_the_model_as_it_was(kind: type[Technique], data_type: DataType) -> None:
    x, y = tensor_batch(data_type), targets()
    plain = model_for(data_type, x)
    before = anatomy(plain)
    trainer = Trainer(policy_for(kind, data_type), tensor_batch)
    keys, owned = list(plain.state_dict()), [id(p) for g in trainer.optimizer.param_groups for p in g["params"]]
    assert list(trainer.model.state_dict()) == keys
    trainer.run(2)
    assert list(trainer.model.state_dict()) == keys
    assert [id(p) for g in trainer.optimizer.param_groups for p in g["params"]] == owned
    assert owned == [id(p) for p in trainer.model.parameters()]
    with trainer.injector:
        trainer.injector.perturb(x, y, rows=torch.arange(len(y)))
    assert anatomy(trainer.model) == before
    assert not trainer.optimizer._optimizer_step_pre_hooks
    plain.load_state_dict(trainer.model.state_dict())
    for training in (True, False):
        assert torch.equal(trainer.model.train(training)(x), plain.train(training)(x))


def test_detaching_frees_the_optimiser() -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    kind = next(k for k, d in PAIRS if k.stage is Stage.GRADIENT and d is DataType.TABULAR)
    injector = policy_for(kind, DataType.TABULAR).attach(model, epochs=1, steps_per_epoch=1, optimizer=optimizer)
    assert len(optimizer._optimizer_step_pre_hooks) == 1
    injector.detach()
    assert not optimizer._optimizer_step_pre_hooks


RANKED = at_stages(but=(Stage.RAW, Stage.LOSS, Stage.STEP))


@pytest.mark.parametrize(("kind", "data_type"), RANKED, ids=named(RANKED))
def test_ranks_and_micro_batches_differ(kind: type[Technique], data_type: DataType) -> None:
    """Per-sample noise differs between ranks; what replicas must do alike is alike."""
    half = policy_for(kind, data_type, probability=0.5)
    if kind.stage in (Stage.WEIGHT, Stage.GRADIENT):
        half = policy_for(kind, data_type)
    runs = [Trainer(half, tensor_batch, attach={"rank": rank}).run(2).record for rank in (0, 1)]
    assert same(runs[0].all, runs[1].all) == (kind.stage is Stage.GRADIENT)
    if kind.stage is Stage.GRADIENT:
        return

    trainer = Trainer(half, tensor_batch)
    seen = []
    for _ in range(2):
        trainer.model.load_state_dict(model_for(data_type, tensor_batch(data_type)).state_dict())
        x, y = trainer.injector.perturb(tensor_batch(data_type), targets(), rows=torch.arange(len(targets())))
        loss = trainer.injector.loss(trainer.model(x), y)
        seen.append([x, torch.autograd.grad(loss, trainer.model.head.weight)])
    assert not same(seen[0], seen[1])


@pairs
def test_a_policy_runs_at_any_length(kind: type[Technique], data_type: DataType) -> None:
    policy = policy_for(kind, data_type, schedule=Schedule("warm_up"))
    for epochs in (2, 300):
        trainer = Trainer(policy, tensor_batch, attach={"epochs": epochs, "steps_per_epoch": 10}).run(1)
        state = trainer.injector.state_dict()
        trainer.injector.load_state_dict(state | {"update": epochs * 10 - 1})
        assert trainer.injector.clock.progress == 1.0
        trainer.run(2)
        assert trainer.injector.clock.progress == 1.0
        assert all(bool(torch.isfinite(w).all()) for w in trainer.record.weights.values())


def test_an_empty_policy_changes_nothing() -> None:
    for data_type in DataType:
        for form in (tensor_batch, dict_batch):
            trainer = Trainer(Policy(data_type), form).run(2)
            assert same([trainer.record.losses, trainer.record.weights], plain_training(data_type, form, soft=False))
            assert spec_of(data_type, form(data_type)).data_type is data_type


@pairs
def test_the_table_of_normal_numbers_is_only_read(
    kind: type[Technique], data_type: DataType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autonoise.ops.random.FEW", 1)  # small batches take from it, too
    table = _normal_table().view(torch.int32)
    before = int(table.sum())
    first = Trainer(policy_for(kind, data_type), tensor_batch).run(2)
    assert int(table.sum()) == before
    assert same(first.record.all, Trainer(policy_for(kind, data_type), tensor_batch).run(2).record.all)
