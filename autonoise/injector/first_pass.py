"""What only a forward pass of the model shows about the places of a policy, looked at once, with the first batch."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from autonoise.batches.mappings import tensors_of
from autonoise.batches.rows import select
from autonoise.errors import AttachError, AutonoiseError
from autonoise.injector.attached import Attached
from autonoise.injector.flow import Flow, flow_of
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.partial import Partial
from autonoise.injector.placing import Placed
from autonoise.types import Batch

ROWS = 2
"""Rows of the batch that are sent through the model: how tensors flow does not depend on their number."""
log = logging.getLogger("autonoise")


def look(attached: Attached, layers: LayerNoise, placed: Placed, x: Batch, *, allow_partial: bool) -> None:
    """Check the residual branches that were found by their names, and see which norms stand before a branch.

    Raises AttachError for a branch that is not added to a shortcut; ``allow_partial`` leaves the step out instead.
    """
    if placed.looked:
        return
    placed.looked = True
    if not (placed.branches or placed.norms):
        return
    flow = _flow(attached, layers, [*placed.branches, *placed.norms], x)
    if flow is None:
        return
    for index in placed.branches:
        wrong = next((p.name for p in layers.points[index] if flow.ends_branch(p.module) is False), None)
        if wrong is None:
            continue
        problem = (
            f"{wrong} was taken for the end of a residual branch by its name, but what it gives is not added to a "
            f"shortcut: name the modules that are by sites={{'residual': 'glob*'}}"
        )
        name = attached.policy.steps[index].name
        if not allow_partial:
            raise AttachError(f"{name}: {problem}")
        log.warning("%s is left out: %s", name, problem)
        layers.off.add(index)
        placed.skipped[index] = problem
        attached.policy = Partial.of(attached.policy, placed.skipped)
    for index in placed.norms:
        # A residual sum over n branches is n times as large in variance as one of them. So noise that enters a branch
        # is by itself divided by their number, and stays what it was in the search at any depth.
        points = layers.points[index]
        if 2 * sum(flow.is_bypassed(p.module) for p in points) > len(points):
            layers.as_searched.add(index)


def _flow(attached: Attached, layers: LayerNoise, steps: list[int], x: Batch) -> Flow | None:
    model = attached.inner
    if any(getattr(m, "_compiled_call_impl", None) is not None for m in model.modules()):
        return None
    if all(isinstance(t, Tensor) and t.ndim and len(t) >= ROWS for t in tensors_of(x)):
        x = select(x, torch.arange(ROWS))
    main = attached.adapter.main(x)
    if main.is_floating_point():
        # so that a shortcut from the input itself shows
        x = attached.adapter.replace(x, main.detach().clone().requires_grad_(True))
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    modules = [p.module for index in steps for p in layers.points[index]]
    with torch.random.fork_rng(devices=sorted(devices, key=str)), layers.quiet():
        try:
            return flow_of(model, lambda: attached.forward(x), modules)
        except AutonoiseError:
            raise
        except Exception:
            return None  # whatever it is, the user's own pass will meet it and say it better
