"""One training run of a model under a policy, as a readable loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from autonoise.batches.rows import select, to_device
from autonoise.data import Preparation, Rows, count, take
from autonoise.ops.random import generator, seed_from
from autonoise.policy import NoiseInjector, Policy
from autonoise.proxies import Recipe
from autonoise.types import Array, Batch, Stage

STATISTICS = 16
"""The number of batches from which batch norm's statistics are estimated where weights are averaged: some hundred rows,
from which they are known well enough, at a small share of an epoch's cost."""
EpochHook = Callable[[int, nn.Module, NoiseInjector], bool]
"""Called after each epoch with (epoch, model, injector); returning False stops the training."""


@dataclass(frozen=True)
class TrainingData:
    """Training rows, raw and prepared. Raw rows are kept for noise that acts before the tokenizer."""

    rows: Rows
    labels: Array
    preparation: Preparation
    batch: Batch

    @classmethod
    def of(cls, rows: Rows, labels: Array, preparation: Preparation) -> TrainingData:
        return cls(rows, labels, preparation, preparation(rows))

    def __len__(self) -> int:
        return count(self.rows)

    def first(self, n: int) -> TrainingData:
        """The first n rows. Rows are in an order in which these have nearly the class shares of all."""
        index = np.arange(min(n, len(self)))
        return TrainingData(
            take(self.rows, index), self.labels[index], self.preparation, select(self.batch, torch.from_numpy(index))
        )


@dataclass(frozen=True)
class Trained:
    """A trained model and what it cost.

    Attributes:
        passes: forward and backward passes, counted in single rows; techniques that need several are counted as such.
            Unlike seconds, this is the same on every machine.
        seconds: wall-clock time of the training.
        diverged: the loss or a weight was no longer finite, so that the model cannot be used.
        stopped: the hook after an epoch ended the training early.
    """

    model: nn.Module
    passes: float
    seconds: float
    diverged: bool = False
    stopped: bool = False


def train(
    model: nn.Module,
    data: TrainingData,
    policy: Policy,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    after_epoch: EpochHook | None = None,
    forward: Callable[[nn.Module, Any], Tensor] | None = None,
) -> Trained:
    """Train ``model`` in place on ``data`` under ``policy``; everything random follows from ``seed``."""
    model.to(device).train()
    batch, labels = to_device(data.batch, device), torch.from_numpy(data.labels).long().to(device)
    steps = recipe.steps_per_epoch(len(data))
    optimizer = recipe.build_optimizer(model.parameters())
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda update: recipe.learning_rate_factor(update / max(recipe.epochs * steps - 1, 1))
    )
    classes = data.preparation.spec.classes
    half = recipe.precision == "bf16"
    autocast = torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=half)
    start = time.perf_counter()  # the first optimizer of a process imports for a second
    raw_rows = data.rows if policy.at_stage(Stage.RAW) else None
    with policy.attach(
        model,
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        optimizer=optimizer,
        input=data.preparation.spec,
        num_classes=classes,
        seed=seed,
        forward=forward,
    ) as injector:
        transform = injector.raw_transform() if raw_rows is not None else None
        extra = injector.pretrain(lambda: _inputs(batch, len(data), recipe.batch_size, seed)) * len(data)
        updates = 0
        for epoch in range(recipe.epochs):
            if transform is not None:
                transform.set_epoch(epoch)
            for index in _order(len(data), steps, recipe.batch_size, seed, epoch):
                if transform is None:
                    x = select(batch, index)
                else:
                    texts = cast("list[str]", take(data.rows, index.numpy()))
                    x = to_device(data.preparation(transform.views(texts, index.numpy())), device)
                with autocast:
                    loss = injector.training_step(x, labels[index], optimizer, rows=index)
                scheduler.step()
                updates += 1
                if not math.isfinite(float(loss)):
                    passes = updates * recipe.batch_size * policy.passes + extra
                    return Trained(model.eval(), passes, time.perf_counter() - start, diverged=True)
            with injector.averaged():
                ended = after_epoch is not None and not after_epoch(epoch, model, injector)
            if ended:
                model.load_state_dict(injector.averaged_state_dict())
                return Trained(
                    model.eval(),
                    (epoch + 1) * len(data) * policy.passes + extra,
                    time.perf_counter() - start,
                    stopped=True,
                )
            model.train()
        with injector.averaged(_noisy(injector, batch, labels, recipe.batch_size, seed)):
            final = {k: v.detach().clone() for k, v in model.state_dict().items()} if injector.averages else None
    if final is not None:
        model.load_state_dict(final)
    passes = recipe.epochs * len(data) * policy.passes + extra
    # the last update may ruin a model whose loss was finite before it
    ruined = not all(bool(torch.isfinite(p).all()) for p in model.parameters())
    return Trained(model.eval(), passes, time.perf_counter() - start, diverged=ruined)


def _order(rows: int, steps: int, size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    order = torch.randperm(rows, generator=generator(seed_from(seed, epoch, 7)))
    return (order[i * size : (i + 1) * size] for i in range(steps))


def _noisy(injector: NoiseInjector, batch: Batch, labels: Tensor, size: int, seed: int) -> Iterator[Batch]:
    """A few batches as the model saw them in training, for the statistics of batch norm under averaged weights."""
    for index in _order(len(labels), min(max(len(labels) // size, 1), STATISTICS), size, seed, -2):
        yield injector.perturb(select(batch, index), labels[index], rows=index)[0]


def _inputs(batch: Batch, rows: int, size: int, seed: int) -> Iterator[Batch]:
    for index in _order(rows, max(rows // size, 1), size, seed, -1):
        yield select(batch, index)
