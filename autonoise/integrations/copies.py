"""Noisy copies of a whole training set, for learners that are not trained step by step."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from autonoise.batches import batch_adapter
from autonoise.injector.adversarial import Attack
from autonoise.injector.attached import Attached
from autonoise.injector.before_forward import perturb
from autonoise.injector.clock import Clock, Knob
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.raw import RawTransform
from autonoise.injector.sites import pair_site
from autonoise.ops.random import seed_from
from autonoise.policy import Policy
from autonoise.technique.schedule import Gate
from autonoise.technique.step import Step, Steps
from autonoise.types import Array, InputSpec, Stage

log = logging.getLogger("autonoise")
CHUNK = 8192
"""Rows that are perturbed, and mixed in pairs, at once: enough to be like the whole set, few enough for memory."""
_TOLD: set[tuple[str, str]] = set()
"""(policy, steps left out) that were told already: cross-validation makes a new estimator for each fold."""


@dataclass(frozen=True)
class Divided:
    """The steps of a policy that act on data alone, and those left out, each with the reason."""

    used: Steps
    left_out: tuple[str, ...]


def divided(policy: Policy, *, targets: bool, user: str) -> Divided:
    """What of a policy works without a model and its gradients. Told once by a warning of the log, unless all does.

    ``targets``: whether targets may change too; ``user``: who leaves the others out, for the message.
    """
    used, left = [], []
    for step in policy.steps:
        reason = _why_not(step, policy, targets=targets)
        (left.append(f"{step.name} ({reason})") if reason else used.append(_by_row(step)))
    found = Divided(replace(policy, steps=tuple(used)), tuple(left))
    if left and (policy.hash, user) not in _TOLD:
        _TOLD.add((policy.hash, user))
        done = ", ".join(s.name for s in found.used.steps) or "nothing"
        log.warning("%s: %s does %s and leaves out %s", policy.name, user, done, ", ".join(left))
    return found


def _why_not(step: Step, policy: Policy, *, targets: bool) -> str:
    """Why a step cannot act on data alone; empty where it can."""
    continuous = batch_adapter(policy.data_type).continuous
    mixes_input = step.stage is Stage.PAIR and pair_site(step, mixes_input=continuous) == "input"
    if step.stage is Stage.RAW or (step.stage is Stage.INPUT and continuous):
        return ""
    if step.stage is Stage.INPUT:
        return "acts on token ids"
    if step.stage is Stage.TARGET or mixes_input:
        return "" if targets else "changes the targets"
    return "needs a gradient or a network"


def _by_row(step: Step) -> Step:
    """A step of every k-th update or epoch as one on every k-th row, at random: there are neither here."""
    return replace(step, gate=Gate(), probability=step.probability / step.gate.every)


def noisy_rows(
    steps: Steps, batch: Tensor, spec: InputSpec, y: Tensor, *, copies: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Copies (rows as in ``batch``, targets as in ``y`` or soft (N, C)) with noise, one after the other.

    Schedules stretch over the copies: copy k of K stands at progress (k + 1/2) / K, so that a single one gets the
    schedule's middle.
    """
    # progress is update / (number of updates - 1): with 2 K + 1 of them, update 2 k + 1 is where copy k shall stand
    clock = Clock(seed, 0, 1, 2 * copies + 1)
    knob = Knob(1.0)
    knob.value = steps.strength
    attached = Attached(steps, nn.Identity(), batch_adapter(spec.data_type), spec, clock, knob, explicit=True)
    attack = Attack(attached, LayerNoise(attached), None)
    for copy in range(copies):
        clock.update = 2 * copy + 1
        order = torch.from_numpy(np.random.default_rng(seed_from(seed, copy)).permutation(len(batch)))
        parts = []
        for number, rows in enumerate(torch.split(order, CHUNK)):
            clock.micro = number
            parts.append(perturb(attached, attack, batch[rows], y[rows]))
        out_x, out_y = (torch.cat([p[i] for p in parts]) for i in (0, 1))  # type: ignore[misc]
        back = order.argsort()
        yield out_x[back], out_y[back]


def noisy_strings(steps: Steps, texts: list[str], *, copies: int, seed: int) -> Iterator[list[str]]:
    """Copies of strings with the noise of the raw stage; schedules as in :func:`noisy_rows`."""
    transform = RawTransform(steps, epochs=2 * copies + 1, seed=seed)
    for copy in range(copies):
        transform.set_epoch(2 * copy + 1)
        yield transform.many(texts, range(len(texts)))


def soft_as_rows(y: Array, seed: int, *, weights: bool) -> tuple[Array, Array, Array]:
    """Soft targets (N, C) as (row, class, weight) triples, for learners that take one class for each row.

    ``weights``: each row comes once for each class that it has a share of, with that share as weight. Otherwise it
    comes once, with a class drawn with these shares, which is the same on average.
    """
    if weights:
        rows, classes = np.nonzero(y > 0)
        return rows, classes, y[rows, classes]
    draws = np.random.default_rng(seed).random(len(y))
    shares = np.cumsum(y, axis=1)
    classes = (draws[:, None] * shares[:, -1:] >= shares).sum(1)
    return np.arange(len(y)), np.minimum(classes, y.shape[1] - 1), np.ones(len(y))
