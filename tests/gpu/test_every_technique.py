"""Every technique on the device: its form, its seed, resuming, mixed precision, and the same noise as on a CPU."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from contract.samples import at_stages, named
from torch import Tensor

from autonoise.policy import Policy, Step
from autonoise.technique.registry import Technique
from autonoise.technique.schedule import Schedule
from autonoise.testing.promises import DTYPES
from autonoise.testing.samples import SPECS, leaves, same, tensor_batch
from autonoise.testing.training import Trainer, policy_for
from autonoise.types import DataType, Stage
from gpu.device import DEVICE, exact, marks

pytestmark = marks
IN_MODEL = at_stages(but=(Stage.RAW,))
pairs = pytest.mark.parametrize(("kind", "data_type"), IN_MODEL, ids=named(IN_MODEL))
ON_INPUT = [(k, d) for k, d in at_stages(Stage.INPUT) if d is not DataType.TEXT]
TIED = {"jpeg", "lossy_codec", "mu_law"}
"""What rounds: a value that lies in the middle between two steps may go to either, so that a few may differ."""


def trainer(kind: type[Technique], data_type: DataType, form: Any = tensor_batch, **options: Any) -> Trainer:
    dtype = options.pop("dtype", torch.float32)
    attach = options.pop("attach", {})
    return Trainer(policy_for(kind, data_type, **options), form, dtype, attach=attach, device=DEVICE)


@pairs
def test_the_seed_decides(kind: type[Technique], data_type: DataType) -> None:
    with exact():
        first, again, other = (
            trainer(kind, data_type, probability=0.5, attach={"seed": seed}).run(2).record for seed in (1, 1, 2)
        )
        others = [trainer(kind, data_type, probability=0.5, attach={"seed": s}).run(2).record for s in (3, 4)]
    assert all(t.device.type == DEVICE.type for t in leaves(first.all))
    assert same(first.all, again.all)
    assert not all(same(first.all, o.all) for o in (other, *others))


@pairs
def test_form_and_finite_numbers_stay(kind: type[Technique], data_type: DataType) -> None:
    for form, dtype in (*DTYPES, (tensor_batch, torch.bfloat16)):
        if DEVICE.type == "cpu" and dtype is torch.bfloat16 and form is tensor_batch and data_type is DataType.TEXT:
            continue
        made = trainer(kind, data_type, form, dtype=dtype)
        record = made.run(1).record
        given, seen = made.batch(0), record.seen[0]
        for a, whole in zip(leaves(given), leaves(seen), strict=True):
            b = whole[: len(a)] if getattr(kind, "views", 0) else whole
            assert (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device), dtype
            if a.is_floating_point():
                assert torch.equal(torch.isnan(a), torch.isnan(b)), dtype
                assert not torch.isinf(b).any(), dtype
        for name, weight in record.weights.items():
            assert torch.isfinite(weight).all(), (dtype, name)
            assert weight.dtype in (dtype, torch.int64), (dtype, name)
            assert weight.device.type == DEVICE.type, name


@pairs
def test_a_step_under_autocast(kind: type[Technique], data_type: DataType) -> None:
    made = trainer(kind, data_type)
    before = [p.detach().clone() for p in made.model.parameters()]
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        made.run(2)
    after = list(made.model.parameters())
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in after)
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


@pairs
def test_resuming_continues(kind: type[Technique], data_type: DataType) -> None:
    options: dict[str, Any] = {"probability": 0.5, "schedule": Schedule("ramp_up", 0.0, 0.5)}
    with exact():
        through = trainer(kind, data_type, attach={"seed": 7}, **options).run(4).record
        first = trainer(kind, data_type, attach={"seed": 7}, **options).run(2)
        file = io.BytesIO()
        torch.save({"model": first.model.state_dict(), "injector": first.injector.state_dict()}, file)
        # as a checkpoint is usually read: on the CPU
        state = torch.load(io.BytesIO(file.getvalue()), weights_only=True, map_location="cpu")
        second = trainer(kind, data_type, **options)
        second.model.load_state_dict(state["model"])
        second.injector.load_state_dict(state["injector"])
        second.number = 2
        second.run(2)
    assert same(first.record.seen + second.record.seen, through.seen)
    assert same(second.record.weights, through.weights)


def rows_of(data_type: DataType, rows: int) -> Tensor:
    """So many rows as one batch."""
    parts = [tensor_batch(data_type, seed=s) for s in range(1 + rows // 8)]
    return torch.cat(parts)[:rows]


@pytest.mark.parametrize(("kind", "data_type"), ON_INPUT, ids=named(ON_INPUT))
def test_the_noise_is_that_of_a_cpu(kind: type[Technique], data_type: DataType) -> None:
    """Rows are drawn on the CPU, so that the same ones are acted on. The noise itself is drawn on the device: its
    average over rows and seeds is compared, or, where nothing is drawn, the result.
    """
    x, spec = rows_of(data_type, 64), SPECS[data_type]
    step = Step(kind(), probability=0.5)
    runs = []
    for device in (torch.device("cpu"), DEVICE):
        rows = []
        for seed in range(4):
            out = step(x.to(device), seed=seed, input=spec)
            assert out.device.type == device.type
            rows.append((out.cpu() - x).flatten(1).double())
        runs.append(torch.stack(rows))
    here, there = runs
    idle = [(r.abs().amax(2) == 0).flatten() for r in runs]
    # Half of the rows are acted on. Were they others on the two devices, half of all would differ; as it is, only those
    # may that are acted on and stay by chance (an image that is not mirrored), at most a quarter.
    assert (idle[0] != idle[1]).float().mean() < 0.35
    plain = Step(kind())
    if torch.equal(plain(x, seed=0, input=spec), plain(x, seed=1, input=spec)):
        assert torch.equal(idle[0], idle[1])
        off = (here - there).abs()
        assert (off > 2e-4).double().mean() < (0.01 if kind.name in TIED else 1e-9), float(off.max())
        return
    for figure in (lambda d: d.abs().mean(2), lambda d: d.mean(2), lambda d: d.square().mean(2).sqrt()):
        a, b = (figure(r)[~i.view(4, -1)] for r, i in zip(runs, idle, strict=True))
        error = (a.var() / len(a) + b.var() / len(b)).sqrt()
        assert abs(a.mean() - b.mean()) < 6 * error + 1e-6, (float(a.mean()), float(b.mean()), float(error))


IMAGES = [(k, d) for k, d in ON_INPUT if d is DataType.IMAGE]


@pytest.mark.parametrize("kind", [k for k, _ in IMAGES], ids=[k.name for k, _ in IMAGES])
def test_images_with_channels_last(kind: type[Technique]) -> None:
    x = rows_of(DataType.IMAGE, 16).to(DEVICE)
    policy = Policy(DataType.IMAGE, (Step(kind(), probability=0.5),), input=SPECS[DataType.IMAGE])
    y = torch.zeros(16, dtype=torch.long, device=DEVICE)
    made = []
    for batch in (x, x.to(memory_format=torch.channels_last)):
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 3)).to(DEVICE)
        with policy.attach(model, epochs=1, steps_per_epoch=1, input=SPECS[DataType.IMAGE]) as injector:
            made.append(injector.perturb(batch, y)[0])
    a, b = made
    assert isinstance(a, Tensor) and isinstance(b, Tensor)
    assert (b.shape, b.dtype, b.device) == (a.shape, a.dtype, a.device)
    # sums along another order of the memory differ in the last digits, and what is rounded in one step
    assert ((a - b).abs() > 1e-4).double().mean() < 0.01
