"""The promises that hold for every technique × data type × form of batch × dtype."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autonoise.ops.random import _normal_table
from autonoise.policy import Policy
from autonoise.technique.registry import Technique, techniques_for
from autonoise.technique.schedule import Schedule
from autonoise.technique.stages import ActivationNoise, InputNoise, PairNoise
from autonoise.types import BatchInfo, DataType, InputSpec, Stage
from contract.samples import (
    CLASSES,
    PAIRS,
    SIZE,
    Form,
    Trainer,
    at_stages,
    clone,
    dict_batch,
    leaves,
    model_for,
    named,
    policy_for,
    same,
    spec_of,
    targets,
    tensor_batch,
)

IN_MODEL = at_stages(but=(Stage.RAW,))
pairs = pytest.mark.parametrize(("kind", "data_type"), IN_MODEL, ids=named(IN_MODEL))
FORMS: tuple[Form, ...] = (tensor_batch, dict_batch)
DTYPES = [
    (tensor_batch, torch.float32), (dict_batch, torch.float64), (tensor_batch, torch.float16),
    (dict_batch, torch.float16), (dict_batch, torch.bfloat16),
]  # fmt: skip
ZERO: dict[str, dict[str, Any]] = {
    "probability": {"probability": 0.0},
    "schedule": {"schedule": Schedule("window", 0.999, 1.0)},
    "knob": {"knob": 0.0},
}


def plain_training(data_type: DataType, form: Form, soft: bool) -> list[Any]:
    """Two updates of the loop everybody writes, without autonoise."""
    model = model_for(data_type, form(data_type))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for number in range(2):
        y = targets(number)
        loss = F.cross_entropy(model(form(data_type, seed=number)), F.one_hot(y, CLASSES).float() if soft else y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [losses, dict(model.state_dict())]


@pytest.mark.parametrize("zero", ZERO)
@pairs
def test_nothing_happens_at_zero(kind: type[Technique], data_type: DataType, zero: str) -> None:
    form = dict_batch if zero == "knob" else tensor_batch
    policy = policy_for(kind, data_type, **ZERO[zero])
    policy = dataclasses.replace(policy, steps=tuple(s for s in policy.steps if s.name == kind.name))
    trainer = Trainer(policy, form, attach={"epochs": 100}).run(2)
    assert same(trainer.record.seen, [form(data_type, seed=n) for n in range(2)])
    soft = trainer.injector.attached.wants_soft
    assert same([trainer.record.losses, trainer.record.weights], plain_training(data_type, form, soft))


@pairs
def test_same_seed_same_training_other_seed_another(kind: type[Technique], data_type: DataType) -> None:
    def run(seed: int) -> Any:
        # with probability 1/2 deterministic techniques show the seed too, by when they act
        return Trainer(policy_for(kind, data_type, probability=0.5), tensor_batch, attach={"seed": seed}).run(2)

    first = run(1)
    assert same(first.record.all, run(1).record.all)
    others = (run(seed).record.all for seed in (2, 3, 4))
    assert any(not same(first.record.all, other) for other in others)


@pairs
def test_the_technique_does_something(kind: type[Technique], data_type: DataType) -> None:
    policy = policy_for(kind, data_type)
    without = dataclasses.replace(policy, steps=tuple(s for s in policy.steps if s.name != kind.name))
    if getattr(kind, "pretrains", False):
        trainer = Trainer(policy, tensor_batch)
        before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
        assert trainer.injector.pretrain(lambda: [tensor_batch(data_type)]) > 0
        assert not same(before, dict(trainer.model.state_dict()))
        return
    acted, plain = Trainer(policy, tensor_batch).run(3), Trainer(without, tensor_batch).run(3)
    assert not same(acted.record.weights, plain.record.weights)


@pairs
def test_shape_dtype_and_finite_numbers(kind: type[Technique], data_type: DataType) -> None:
    for form, dtype in DTYPES:
        trainer = Trainer(policy_for(kind, data_type), form, dtype).run(1)
        given, seen = form(data_type, dtype), trainer.record.seen[0]
        assert type(given) is type(seen)
        for a, whole in zip(leaves(given), leaves(seen), strict=True):
            # views go through the model in one batch with the clean rows, which come first
            b = whole[: len(a)] if getattr(kind, "views", 0) else whole
            assert (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device)
            if a.is_floating_point():
                assert torch.equal(torch.isnan(a), torch.isnan(b)), f"{dtype}: a missing value came or went"
                assert not torch.isinf(b).any(), dtype
        for name, weight in trainer.record.weights.items():
            assert bool(torch.isfinite(weight).all()), f"{name} in {dtype}"
            assert weight.dtype in (dtype, torch.int64)


@pairs
def test_arguments_are_not_changed(kind: type[Technique], data_type: DataType) -> None:
    # odd or even, so that both forms are met by many techniques at the cost of one
    form = FORMS[IN_MODEL.index((kind, data_type)) % 2]
    trainer = Trainer(policy_for(kind, data_type), form)
    x, y = form(data_type), targets()
    soft = F.one_hot(y, CLASSES).float()
    kept, labels = clone(x), soft.clone()
    noisy, noisy_y = trainer.injector.perturb(x, soft)
    trainer.injector.loss(trainer.model(noisy), noisy_y).backward()
    trainer.injector.training_step(x, y, trainer.optimizer)
    assert same(x, kept)
    assert torch.equal(soft, labels)
    assert noisy_y.shape == (SIZE, CLASSES)
    assert torch.allclose(noisy_y.sum(1), torch.ones(SIZE), atol=1e-5)
    assert bool((noisy_y >= 0).all())


@pairs
def test_eval_adds_nothing(kind: type[Technique], data_type: DataType) -> None:
    for form in FORMS:
        trainer = Trainer(policy_for(kind, data_type), form).run(1)
        x, y = form(data_type, seed=5), targets()
        model, plain = trainer.model.eval(), model_for(data_type, x).eval()
        plain.load_state_dict(model.state_dict())
        seen, same_y = trainer.injector.perturb(x, y)
        assert seen is x
        assert same_y is y
        with torch.no_grad():
            assert torch.equal(model(x), plain(x))
            assert torch.equal(trainer.injector.loss(model(x), y), F.cross_entropy(plain(x), y))


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
        trainer.injector.perturb(x, y)
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


@pairs
def test_resuming_gives_the_same_noise(kind: type[Technique], data_type: DataType) -> None:
    policy = policy_for(kind, data_type, probability=0.5, schedule=Schedule("ramp_up", 0.0, 0.5))
    through = Trainer(policy, tensor_batch, attach={"seed": 7}).run(4)
    first = Trainer(policy, tensor_batch, attach={"seed": 7}).run(2)
    file = io.BytesIO()
    torch.save({"model": first.model.state_dict(), "injector": first.injector.state_dict()}, file)
    state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    # the seed comes from the state; whoever resumes need not remember it
    second = Trainer(policy, tensor_batch)
    second.model.load_state_dict(state["model"])
    second.injector.load_state_dict(state["injector"])
    second.number = 2
    second.run(2)
    assert same(first.record.seen + second.record.seen, through.record.seen)
    assert same(second.record.weights, through.record.weights)


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
        x, y = trainer.injector.perturb(tensor_batch(data_type), targets())
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


EXACT = [kind for kind in techniques_for() if kind.exact]
TABLE = InputSpec(data_type=DataType.TABULAR, layout=(40,), numeric=tuple(range(20)), onehot=(tuple(range(20, 40)),))


@pytest.mark.parametrize("kind", EXACT, ids=lambda k: k.name)
def test_exact_leaves_give_back_rows_of_strength_zero(kind: type[Technique]) -> None:
    technique, table = kind(), kind.data_types == {DataType.TABULAR}
    info = BatchInfo(TABLE if table else InputSpec(data_type=DataType.TIMESERIES, layout=(40, 50)))
    strength = torch.tensor([0.0, 1.0, 0.0, 0.5, 0.0, 1.0])
    h = torch.randn((6, 40) if table else (6, 40, 50), generator=torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    if isinstance(technique, PairNoise):
        plan = technique.plan(h, strength=strength, rng=rng, info=info)
        out = technique.mix(h, plan, rng=rng, info=info)
    else:
        assert isinstance(technique, InputNoise | ActivationNoise)
        out = technique.perturb(h, strength=strength.reshape(-1, *[1] * (h.ndim - 1)), rng=rng, info=info)
    still = strength == 0
    assert torch.equal(out[still], h[still])
    assert not torch.equal(out[~still], h[~still])


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
