"""Techniques that cannot act on these data or in this model are not offered: their trials would try nothing."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autonoise.errors import AutonoiseError, StudyError, no_exit
from autonoise.injector.acting import acting_steps, cannot_act
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.space.dimension import Dimension
from autonoise.space.space import SearchSpace
from autonoise.technique.parameters import Range, parameters_of
from autonoise.technique.registry import Technique, get_technique
from autonoise.training.task import Task
from autonoise.training.train import TrainingData
from autonoise.types import Batch, InputSpec, Stage

log = logging.getLogger("autonoise")
PROBED = 8
"""Rows that are sent through the model to see whether a technique's sites are there and run."""
SEEN = 64
"""Training rows on which noise on inputs and strings is tried, to see whether it changes any of them."""
DRAWS = 4
"""How often it is tried, with its default and with its strongest parameters in turn."""
_INSIDE = (Stage.PAIR, Stage.EMBEDDING, Stage.ACTIVATION, Stage.WEIGHT)


def offered(space: SearchSpace, task: Task, tell: Callable[[str], None] = log.warning) -> SearchSpace:
    """The space without techniques and parameters that cannot act here, each told in one line.

    Its presets and seeds lose such steps too. Raises StudyError when no technique is left.
    """
    rows, spec, model = task.training(0).first(PROBED), task.spec(0), task.model(0)
    y = torch.from_numpy(rows.labels).long()
    # what fails without any noise fails for another reason, and the baseline will say so
    probed = not _fault((), spec, model, rows.batch, y)
    many = task.training(0).first(SEEN)
    idle: dict[str, str] = {}
    for name in space.techniques:
        kind = get_technique(name)
        reason = cannot_act(kind, spec, model) or _leaves_alone(kind, many, spec)
        if not reason and probed and kind.stage in _INSIDE:
            reason = _fault((Step(kind()),), spec, model, rows.batch, y)
        if reason:
            idle[name] = reason
            tell(f"{name} is not offered, since it cannot act here: {reason}")
    if space.techniques and len(idle) == len(space.techniques):
        raise StudyError(f"none of the techniques of the search space can act here ({', '.join(idle)}): offer others")
    return _without(space, idle, _idle_parameters(space, idle, spec, tell), model, spec)


def _idle_parameters(
    space: SearchSpace, idle: Mapping[str, str], spec: InputSpec, tell: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Technique → its parameters that change nothing of such data, which stay at 0 and are not searched."""
    fixed: dict[str, dict[str, float]] = {}
    for name, dims in space.techniques.items():
        kept = [key for key in sorted(get_technique(name).idle_parameters(spec)) if dims[key].searched]
        if name not in idle and kept:
            fixed[name] = dict.fromkeys(kept, 0.0)
            tell(f"{' and '.join(kept)} of {name} stay at 0, since they change nothing of such data")
    return fixed


def _without(
    space: SearchSpace,
    idle: Mapping[str, str],
    fixed: Mapping[str, Mapping[str, float]],
    model: nn.Module,
    spec: InputSpec,
) -> SearchSpace:
    """The space without the techniques of ``idle``, with the parameters of ``fixed`` at their value."""
    seeds, presets = (_acting(recipes, idle, spec, model) for recipes in (space.seeds, space.presets))
    space = dataclasses.replace(space, seeds=seeds, presets=presets)
    if not idle and not fixed:
        return space
    source: dict[str, Any] = dict(space.source)
    # workers read the space from its source
    source["techniques"] = {
        name: {**(given or {}), **fixed[name]} if name in fixed else given
        for name, given in source.get("techniques", {}).items()
        if name not in idle
    }
    techniques = {
        name: {**dims, **{key: Dimension(choices=(value,)) for key, value in fixed.get(name, {}).items()}}
        for name, dims in space.techniques.items()
        if name not in idle
    }
    return dataclasses.replace(space, techniques=techniques, source=source)


def _acting(
    recipes: Sequence[Policy], idle: Mapping[str, str], spec: InputSpec, model: nn.Module
) -> tuple[Policy, ...]:
    """The recipes without steps that cannot act; those that had nothing else, or became like another one, go."""
    out: dict[str, Policy] = {}
    for recipe in recipes:
        steps = tuple(s for s in acting_steps(recipe, spec, model)[0] if s.name not in idle)
        if steps or not recipe.steps:
            made = recipe if steps == recipe.steps else dataclasses.replace(recipe, steps=steps)
            out.setdefault(made.hash, made)
    return tuple(out.values())


def _leaves_alone(kind: type[Technique], rows: TrainingData, spec: InputSpec) -> str:
    """Why noise on the rows themselves changes none of those that were looked at; empty where it does."""
    if kind.stage not in (Stage.RAW, Stage.INPUT):
        return ""
    x: Any = list(rows.rows) if kind.stage is Stage.RAW else rows.batch
    strongest = {k: p.high for k, p in parameters_of(kind).items() if isinstance(p, Range)}
    try:
        for seed in range(DRAWS):
            made = kind() if seed % 2 else kind(**strongest)
            if _differ(x, Step(made)(x, seed=seed, input=spec)):
                return ""
    except Exception:
        return ""  # clips that are not there, a fault of the user's own technique: the trial that meets it tells it
    return f"it changed none of {len(rows.labels)} rows in {DRAWS} tries"


def _differ(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor):
        return not torch.equal(before.nan_to_num(), after.nan_to_num())
    if isinstance(before, Mapping):
        return any(_differ(before[key], after[key]) for key in before)
    return bool(before != after)


def _fault(steps: tuple[Step, ...], spec: InputSpec, model: nn.Module, batch: Batch, y: Tensor) -> str:
    """Why steps cannot be attached or never run; empty where they do."""
    attach: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 1, "input": spec, "num_classes": spec.classes}
    try:
        with no_exit("the model"), torch.random.fork_rng(devices=[]), torch.no_grad():
            model.train()
            with NoiseInjector(Policy(spec.data_type, steps), model, **attach) as injector:
                x, _ = injector.perturb(batch, y)
                injector.forward(x)
                injector.step()
    except AutonoiseError as e:
        return str(e)
    return ""
