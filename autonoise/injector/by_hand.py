"""One step applied to a batch by hand, without a model: for previews and tests. Behind ``Step.__call__``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autonoise.batches import BatchAdapter, batch_adapter
from autonoise.errors import AttachError
from autonoise.injector.adversarial import Attack
from autonoise.injector.attached import Attached
from autonoise.injector.before_forward import perturb
from autonoise.injector.clock import Clock, Knob
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.raw import RawTransform
from autonoise.injector.sites import pair_site
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.step import Step, Steps, applies_steps
from autonoise.types import Batch, DataType, InputSpec, Stage


@applies_steps
def apply_step(
    step: Step,
    x: Any,
    targets: Tensor | None,
    *,
    strength: float,
    seed: int,
    spec: InputSpec | None,
) -> Any:
    """What ``Step.__call__`` documents. Schedule and gate are left out: they depend on where training stands."""
    step = replace(step, schedule=Schedule(), gate=Gate())
    if step.stage is Stage.RAW:
        return _strings(step, x, strength, seed)
    if step.stage is Stage.TARGET:
        return _targets(step, x, strength, seed)
    if step.stage not in (Stage.INPUT, Stage.PAIR):
        raise AttachError(_needs_model(step))
    batch: Any = torch.from_numpy(x) if isinstance(x, np.ndarray) else x
    adapter = _adapter(step, batch, spec)
    if step.stage is Stage.PAIR and pair_site(step, mixes_input=adapter.continuous) != "input":
        raise AttachError(_needs_model(step))
    if spec is None and not adapter.continuous:
        raise AttachError(f"{step.name} must know which token ids are special: pass input=InputSpec(...)")
    found = spec or InputSpec(data_type=adapter.data_type, layout=(), scale=adapter.canonical_scale)
    found = adapter.check(batch, found, explicit=True)
    size = adapter.size(batch)
    y = torch.arange(size) if targets is None else targets
    classes = int(y.shape[1] if y.ndim == 2 else y.max() + 1)
    attached = _attached(step, adapter, replace(found, classes=max(found.classes, classes)), strength, seed)
    noisy, soft = perturb(attached, Attack(attached, LayerNoise(attached), None), batch, y)
    out = noisy.numpy() if isinstance(x, np.ndarray) and isinstance(noisy, Tensor) else noisy
    return out if targets is None else (out, soft)


def _attached(step: Step, adapter: BatchAdapter, spec: InputSpec, strength: float, seed: int) -> Attached:
    """The step as in the first update of a training with this seed, beside a model that does nothing."""
    clock = Clock(seed, 0, 1, 1, micro=0)
    steps = Steps(adapter.data_type, (step,))
    return Attached(steps, nn.Identity(), adapter, spec, clock, _knob(strength), explicit=True)


def _knob(strength: float) -> Knob:
    knob = Knob(1.0)
    knob.value = strength
    return knob


def _adapter(step: Step, x: Batch, spec: InputSpec | None) -> BatchAdapter:
    """The adapter of the data type that ``spec`` names, or of the only one that x can be a batch of."""
    if spec is not None:
        return batch_adapter(spec.data_type)
    fitting = [a for a in map(batch_adapter, sorted(step.technique.data_types)) if _fits(a, x)]
    if len(fitting) == 1:
        return fitting[0]
    told = (
        f"{x.dtype} {tuple(x.shape)}"
        if isinstance(x, Tensor)
        else list(x)
        if isinstance(x, Mapping)
        else type(x).__name__
    )
    kinds = " or ".join(a.data_type for a in fitting) or f"none of {', '.join(sorted(step.technique.data_types))}"
    raise AttachError(
        f"{step.name}: x, {told}, could be a batch of {kinds}: pass one in canonical units, or describe it by "
        f"input=InputSpec(data_type=..., layout=...)"
    )


def _fits(adapter: BatchAdapter, x: Batch) -> bool:
    if isinstance(x, Mapping):
        return any(key in x for key in adapter.keys)
    return isinstance(x, Tensor) and x.ndim in adapter.ranks and x.is_floating_point() == adapter.continuous


def _strings(step: Step, x: Any, strength: float, seed: int) -> Any:
    transform = RawTransform(Steps(DataType(min(step.technique.data_types)), (step,)), epochs=1, seed=seed)
    transform.knob.value = strength
    if isinstance(x, str) or not isinstance(x, Sequence):
        return transform(x, 0)
    return transform.many(x, range(len(x)))


def _targets(step: Step, x: Any, strength: float, seed: int) -> Tensor:
    """Soft targets (B, C) of targets (B, C), or of class indices (B,) with as many classes as the largest says."""
    if not isinstance(x, Tensor) or x.ndim not in (1, 2):
        raise AttachError(f"{step.name} acts on targets: pass class indices (B,) or soft targets (B, C)")
    adapter = batch_adapter(min(step.technique.data_types))
    spec = InputSpec(data_type=adapter.data_type, layout=(), classes=int(x.shape[1] if x.ndim == 2 else x.max() + 1))
    attached = _attached(step, adapter, spec, strength, seed)
    # target noise leaves the batch alone: any batch of as many rows will do
    return perturb(attached, Attack(attached, LayerNoise(attached), None), torch.zeros(len(x), 1), x)[1]


def _needs_model(step: Step) -> str:
    kind = min(step.technique.data_types)
    return (
        f"{step.name} acts inside a model or on its training ({step.stage} stage) and cannot be applied by hand: "
        f"use Policy({str(kind)!r}, [step]).attach(model, epochs=1, steps_per_epoch=1)"
    )
