"""Shipped policies, compiled models, loss scaling, evaluation and a whole search on the device."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autonoise
from autonoise.batches import batch_adapter
from autonoise.batches.rows import to_device
from autonoise.errors import PolicyWarning
from autonoise.evaluation.predict import probabilities
from autonoise.ops.random import generator, picks
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.shipped import shipped
from autonoise.proxies import build_proxy
from autonoise.testing.samples import leaves, same, targets, tensor_batch
from autonoise.types import DataType, InputSpec, Stage
from gpu.device import DEVICE, ON_GPU, exact, marks

pytestmark = [*marks, pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")]
SIZE = 16


@pytest.mark.parametrize("name", shipped())
def test_steps_with_a_shipped_policy(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        policy = load_policy(name)
    spec = policy.input
    assert spec is not None
    batch = to_device(batch_adapter(policy.data_type).synthetic(spec, SIZE, generator(0)), DEVICE)
    y = (torch.arange(SIZE) % spec.classes).to(DEVICE)
    seen = []
    with exact():
        for _ in range(2):
            model = build_proxy(spec).to(DEVICE).train()
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
            raw = policy.raw_transform(epochs=1) if policy.at_stage(Stage.RAW) else None
            injector = policy.attach(
                model, epochs=1, steps_per_epoch=4, optimizer=optimizer, input=spec, raw_transform=raw
            )
            losses = [injector.training_step(batch, y, optimizer, rows=torch.arange(SIZE)) for _ in range(2)]
            with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
                losses.append(injector.training_step(batch, y, optimizer, rows=torch.arange(SIZE)))
            assert all(bool(torch.isfinite(loss)) for loss in losses)
            assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
            seen.append(torch.stack(losses))
    assert same(seen[0], seen[1])


@pytest.mark.parametrize("backend", ["eager", "aot_eager", *(["inductor"] if ON_GPU else [])])
def test_a_compiled_model_trains_as_a_plain_one(backend: str) -> None:
    steps = (
        Step.of("gaussian_noise", std=0.2, probability=0.5),
        Step.of("activation_noise", sigma=0.3, probability=0.5),
        Step.of("weight_noise", sigma=0.2),
    )
    x, y = tensor_batch(DataType.TIMESERIES).to(DEVICE), targets().to(DEVICE)
    spec = InputSpec(data_type="timeseries", layout=(2, 48), scale="standardised", classes=3)
    logits = []
    for compiled in (False, True):
        torch._dynamo.reset()
        model = build_proxy(spec).to(DEVICE).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        injector = Policy(DataType.TIMESERIES, steps).attach(model, epochs=1, steps_per_epoch=3, input=spec)
        if compiled:
            model.compile(backend=backend)
        made = []
        for _ in range(3):
            noisy, soft = injector.perturb(x, y)
            out = model(noisy)
            optimizer.zero_grad()
            injector.loss(out, soft).backward()
            optimizer.step()
            injector.step()
            made.append(out.detach())
        logits.append(torch.stack(made))
    torch.testing.assert_close(logits[1], logits[0], atol=2e-3, rtol=2e-2)


def test_float16_with_a_gradient_scaler() -> None:
    steps = (Step.of("gaussian_noise", std=0.1), Step.of("weight_noise"), Step.of("gradient_noise"), Step.of("sam"))
    spec = InputSpec(data_type="image", layout=(3, 12, 12), classes=3)
    model = build_proxy(spec).to(DEVICE).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler(DEVICE.type, init_scale=1024.0)
    injector = Policy(DataType.IMAGE, steps).attach(model, epochs=1, steps_per_epoch=4, optimizer=optimizer, input=spec)
    x, y = tensor_batch(DataType.IMAGE).to(DEVICE), targets().to(DEVICE)
    before = [p.detach().clone() for p in model.parameters()]
    for _ in range(4):
        with torch.autocast(DEVICE.type, dtype=torch.float16 if ON_GPU else torch.bfloat16):
            injector.training_step(x, y, optimizer, scaler=scaler, max_norm=1.0)
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    assert any(not torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("data_type", sorted(DataType))
def test_predictions_on_the_device_are_those_of_a_cpu(data_type: DataType) -> None:
    layout: dict[Any, InputSpec] = {
        DataType.IMAGE: InputSpec(data_type="image", layout=(3, 12, 12), classes=3),
        DataType.TEXT: InputSpec(data_type="text", layout=(12,), classes=3, pad_id=0, vocabulary_size=40),
        DataType.TABULAR: InputSpec(data_type="tabular", layout=(11,), classes=3, numeric=tuple(range(11))),
        DataType.TIMESERIES: InputSpec(data_type="timeseries", layout=(2, 48), classes=3),
        DataType.AUDIO: InputSpec(data_type="audio", layout=(800,), classes=3, sample_rate=2000),
    }
    spec = layout[data_type]
    batch = batch_adapter(data_type).synthetic(spec, 64, generator(1))
    model = build_proxy(spec).eval()
    here = probabilities(model, batch)
    there = probabilities(model.to(DEVICE), batch, device=DEVICE)
    assert there.dtype == np.float64
    # convolutions on a GPU multiply with 10 bits of the mantissa unless told otherwise
    np.testing.assert_allclose(there, here, atol=5e-3)
    if data_type is not DataType.AUDIO:  # no Fourier transform is of bfloat16
        chunk = batch.to(torch.bfloat16) if batch.is_floating_point() else batch
        low = probabilities(model.to(torch.bfloat16), chunk, device=DEVICE)
        np.testing.assert_allclose(low, here, atol=0.05)
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        mixed = probabilities(model.float(), batch, device=DEVICE)
    np.testing.assert_allclose(mixed, here, atol=0.05)


def test_dropped_rows_of_a_seed_are_the_same_on_every_device() -> None:
    """Which rows a step acts on does not depend on the device."""
    step = Step.of("gaussian_noise", std=0.3, probability=0.5)
    x = torch.full((64, 3, 12, 12), 0.5)
    acted = [(step(x.to(d), seed=3).cpu() != x).flatten(1).any(1) for d in ("cpu", DEVICE)]
    assert torch.equal(*acted) and 10 < int(acted[0].sum()) < 54


def test_draws_on_the_cpu_follow_from_the_generator_of_the_device() -> None:
    def some(seed: int) -> torch.Tensor:
        rng = generator(seed, DEVICE)
        made = [picks(1000, 64, rng), picks(1000, 64, rng)]
        torch.rand(3, generator=rng, device=DEVICE)
        return torch.stack([*made, picks(1000, 64, rng)])

    first = some(4)
    assert first.device.type == "cpu"
    assert torch.equal(first, some(4)) and not torch.equal(first, some(5))
    assert len({tuple(row) for row in first.tolist()}) == 3


def test_a_monitor_measures_on_the_device() -> None:
    spec = InputSpec(data_type="image", layout=(3, 12, 12), classes=3)
    model = build_proxy(spec).to(DEVICE).train()
    policy = Policy(DataType.IMAGE, (Step.of("gaussian_noise", std=0.1),), input=spec)
    injector = policy.attach(model, epochs=2, steps_per_epoch=1, input=spec)
    x = torch.cat([tensor_batch(DataType.IMAGE, seed=s) for s in range(8)])
    monitor = autonoise.RobustnessMonitor(injector, (x, torch.arange(64) % 3))
    row = monitor.epoch()
    assert row is not None and all(np.isfinite(v) for v in row.values() if isinstance(v, float))


def test_weights_that_are_averaged_stay_on_the_device() -> None:
    spec = InputSpec(data_type="image", layout=(3, 12, 12), classes=3)
    model = build_proxy(spec).to(DEVICE).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    injector = Policy(DataType.IMAGE, (Step.of("weight_average"),)).attach(
        model, epochs=1, steps_per_epoch=4, input=spec
    )
    x, y = tensor_batch(DataType.IMAGE).to(DEVICE), targets().to(DEVICE)
    for _ in range(4):
        injector.training_step(x, y, optimizer)
    assert all(t.device.type == DEVICE.type for t in leaves(injector.averaged_state_dict()))


def test_a_search_from_start_to_verdict(tmp_path: Path) -> None:
    pytest.importorskip("optuna", minversion="5", reason="a search needs optuna 5")
    from sklearn.datasets import load_iris

    quick = {"trials": 3, "epochs": 1, "seeds": 3, "train_rows": 60, "progress": False, "device": str(DEVICE)}
    result = autonoise.search(load_iris(return_X_y=True), out=tmp_path / "study", **quick)
    assert not result.stopped
    assert result.verdict is not None
