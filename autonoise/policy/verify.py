"""Does a policy still do what it did when it was exported? Statistics of its noise on a made-up batch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from autonoise.batches import batch_adapter
from autonoise.errors import PolicyError
from autonoise.injector.before_forward import apply_input
from autonoise.injector.clock import LEAF, Clock
from autonoise.policy.policy import Policy
from autonoise.technique.stages import TargetNoise
from autonoise.types import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWS = 64
"""Rows of the made-up batch; fewer where samples are large."""
LARGEST_BATCH = 2**22
"""Values of a made-up batch at most, 16 MiB: steps take up to forty times as much memory in between, and some take
seconds."""
CLASSES = 10
"""Classes of its targets."""
TOLERANCE = 0.05
"""The relative difference up to which a mean change counts as the same, since versions of torch round differently."""


def check_of(policy: Policy) -> dict[str, Any]:
    """What a file carries to be checked by: seed and rows of the made-up batch, and what each step changes there."""
    rows = min(ROWS, LARGEST_BATCH // _values(policy))
    told = {} if rows == ROWS else {"rows": rows}
    return {"seed": 0, **told, "statistics": statistics_of(policy, 0, rows)} if rows else {}


def _values(policy: Policy) -> int:
    """How many values a sample has; 1 where that is not known."""
    return math.prod(policy.input.layout) if policy.input is not None else 1


def statistics_of(policy: Policy, seed: int = 0, rows: int = ROWS) -> dict[str, float]:
    """What each input or target step by itself changes on a made-up batch: the mean absolute change of a value.

    Each step acts on all rows at the full strength of its parameters, whatever its probability and schedule say. The
    keys are position and name, ``0.gaussian_noise``.
    """
    if policy.input is None or not policy.input.layout:
        return {}
    adapter = batch_adapter(policy.data_type)
    spec = replace(policy.input, scale=adapter.canonical_scale)
    batch = adapter.synthetic(spec, rows, torch.Generator().manual_seed(seed))
    main, info = adapter.open(batch, spec)
    clock = Clock(seed, 0, 1, 1, micro=0)
    out: dict[str, float] = {}
    strength = torch.ones(rows)
    for index, step in enumerate(policy.steps):
        rng = clock.rng(index, LEAF)
        changed: Tensor | None = None
        if step.stage is Stage.INPUT:
            changed = (apply_input(step, main, strength, rng, info).double() - main.double()).abs()
        elif isinstance(step.technique, TargetNoise):
            y = torch.eye(CLASSES)[torch.arange(rows) % CLASSES]
            changed = (step.technique.perturb(y, strength=strength[:, None], rng=rng) - y).abs()
        if changed is not None:
            out[f"{index}.{step.name}"] = float(f"{float(changed.mean()):.5g}")
    return out


def verify(policy: Policy) -> list[str]:
    """Compute the policy's ``check.statistics`` again; returns one line per step.

    Raises PolicyError when a step changes a made-up batch by another amount than where the policy was exported.
    """
    said: Mapping[str, float] = policy.check.get("statistics", {})
    if not said:
        return ["the file carries no statistics to check; it was loaded and is well formed"]
    rows = int(policy.check.get("rows", ROWS))
    if rows * _values(policy) > LARGEST_BATCH:
        return [
            f"{rows} samples of {_values(policy):,} values are too large to check the statistics in little time and "
            f"memory; the file was loaded and is well formed"
        ]
    now = statistics_of(policy, int(policy.check.get("seed", 0)), rows)
    lines = []
    for key, value in said.items():
        found = now.get(key)
        if found is None or abs(found - value) > TOLERANCE * max(abs(value), 1e-3):
            raise PolicyError(
                f"{policy.name}: step {key} changes its input by {found} on average where it was exported with "
                f"{value}: the technique behaves differently in this version; search again or use the exporting version"
            )
        lines.append(f"{key}: mean change {found:g}, as exported")
    return lines
