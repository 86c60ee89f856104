"""Techniques that cannot act on these data or in this model are not offered: their trials would try nothing."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from autonoise.errors import AutonoiseError, StudyError
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.space.space import SearchSpace
from autonoise.technique.registry import Technique, get_technique
from autonoise.training.task import Task
from autonoise.types import Batch, Family, InputSpec, Stage

log = logging.getLogger("autonoise")
PROBED = 8
"""Rows that are sent through the model to see whether a technique's sites are there and run."""
_INSIDE = (Stage.PAIR, Stage.EMBEDDING, Stage.ACTIVATION, Stage.WEIGHT)


def offered(space: SearchSpace, task: Task, tell: Callable[[str], None] = log.warning) -> SearchSpace:
    """The space without techniques that cannot act, each told in one line. Raises StudyError when none is left."""
    rows, spec, model = task.training(0).first(PROBED), task.spec(0), task.model(0)
    y = torch.from_numpy(rows.labels).long()
    # what fails without any noise fails for another reason, and the baseline will say so
    probed = not _fault((), spec, model, rows.batch, y)
    idle: dict[str, str] = {}
    for name in space.techniques:
        kind = get_technique(name)
        reason = cannot_act(kind, spec, model)
        if not reason and probed and kind.stage in _INSIDE:
            reason = _fault((Step(kind()),), spec, model, rows.batch, y)
        if reason:
            idle[name] = reason
            tell(f"{name} is not offered, since it cannot act here: {reason}")
    if not idle:
        return space
    if len(idle) == len(space.techniques):
        raise StudyError(f"none of the techniques of the search space can act here ({', '.join(idle)}): offer others")
    source: dict[str, Any] = dict(space.source)
    source["techniques"] = {k: v for k, v in source.get("techniques", {}).items() if k not in idle}
    kept = {k: v for k, v in space.techniques.items() if k not in idle}
    return dataclasses.replace(space, techniques=kept, source=source)


def cannot_act(kind: type[Technique], spec: InputSpec, model: nn.Module) -> str:
    """Why a technique changes nothing of such data, or nothing that the model notices; empty where it may act."""
    for module in model.modules():
        invariant: frozenset[Family] = getattr(module, "invariant_to", frozenset())
        if kind.stage is Stage.INPUT and kind.families <= invariant:
            return f"what {type(module).__name__} gives does not depend on {', '.join(sorted(kind.families))}"
    return kind.idle(spec)


def _fault(steps: tuple[Step, ...], spec: InputSpec, model: nn.Module, batch: Batch, y: Tensor) -> str:
    """Why steps cannot be attached or never run; empty where they do."""
    attach: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 1, "input": spec, "num_classes": spec.classes}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model.train()
            with NoiseInjector(Policy(spec.data_type, steps), model, **attach) as injector:
                x, _ = injector.perturb(batch, y)
                injector.forward(x)
                injector.step()
    except AutonoiseError as e:
        return str(e)
    return ""
