"""A training loop around one technique that records what the model saw and what became of its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from autonoise.batches.rows import to_device
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.technique.registry import Technique, techniques_for
from autonoise.testing.samples import SIZE, clone, model_for, spec_of, targets
from autonoise.types import Batch, DataType, Stage


def steps_for(kind: type[Technique], data_type: DataType, **options: Any) -> list[Step]:
    """The technique alone; one that acts on the whole training step gets noise beside it to work with: input noise, or
    noise inside the model where it compares passes that differ by nothing else.
    """
    steps = [Step(kind(), **options)]
    if kind.stage is Stage.STEP:
        inside = getattr(kind, "source", "") == "noisy"
        steps.append(Step(companion(data_type, Stage.ACTIVATION if inside else Stage.INPUT)()))
    return steps


@lru_cache(maxsize=16)
def companion(data_type: DataType, stage: Stage = Stage.INPUT) -> type[Technique]:
    """A technique of this package at a stage, for those that compare noisy batches."""
    own = (t for t in techniques_for(data_type) if t.__module__.startswith("autonoise.techniques."))
    return next(t for t in own if t.stage is stage)


def policy_for(kind: type[Technique], data_type: DataType, *, knob: float = 1.0, **options: Any) -> Policy:
    """A policy with the technique at its defaults; ``knob`` is its global strength, ``options`` go to its step."""
    return Policy(data_type, tuple(steps_for(kind, data_type, **options)), strength=knob)


@dataclass
class Record:
    """What the model saw in each update, the losses, and the weights after the last update."""

    seen: list[Any] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def all(self) -> list[Any]:
        return [self.seen, self.losses, self.weights]


Form = Callable[..., Batch]


@dataclass
class Trainer:
    """Trains a small model under a policy; ``form`` makes the batches, ``attach`` holds further options of attach, and
    model and batches are on ``device``.
    """

    policy: Policy
    form: Form
    dtype: torch.dtype = torch.float32
    attach: dict[str, Any] = field(default_factory=dict)
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        data_type = self.policy.data_type
        batch = self.batch(0)
        self.model = model_for(data_type, batch, self.dtype).to(self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05)
        options: dict[str, Any] = {
            "epochs": 2,
            "steps_per_epoch": 2,
            "input": spec_of(data_type, batch),
            "allow_partial": True,
        }
        self.injector: NoiseInjector = self.policy.attach(
            self.model, **(options | {"forward": self._forward} | self.attach)
        )
        self.record = Record()
        self.number = 0

    def batch(self, seed: int) -> Batch:
        """The batch of the update ``seed``, on the device."""
        return to_device(self.form(self.policy.data_type, self.dtype, seed=seed), self.device)

    def targets(self, seed: int) -> Tensor:
        """Its class indices, on the device."""
        return targets(seed).to(self.device)

    def _forward(self, model: nn.Module, batch: Batch) -> Tensor:
        if not self.injector.layers._quiet:
            self.record.seen.append(clone(batch))
        out: Tensor = model(batch)
        return out

    def run(self, updates: int) -> Trainer:
        for _ in range(updates):
            x, y = self.batch(self.number), self.targets(self.number)
            loss = self.injector.training_step(x, y, self.optimizer, rows=torch.arange(SIZE))
            self.record.losses.append(loss)
            self.number += 1
        # where the policy averages weights, those are what it does
        self.record.weights = self.injector.averaged_state_dict()
        return self
