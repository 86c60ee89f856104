"""How a proxy is trained: epochs, batch size, optimiser and learning rate, measured for each data type."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from autonoise.errors import StudyError
from autonoise.types import DataType


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training: ``epochs`` passes in batches of ``batch_size``.

    The learning rate rises linearly over the first ``warmup`` of progress, then falls along a cosine to 0.
    Raises StudyError for values outside their range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    optimizer: Literal["adamw", "sgd"] = "adamw"
    warmup: float = 0.1

    def __post_init__(self) -> None:
        rules = {
            "epochs >= 1": self.epochs >= 1,
            "batch_size >= 2": self.batch_size >= 2,
            "learning_rate > 0": 0 < self.learning_rate < math.inf,
            "weight_decay >= 0": 0 <= self.weight_decay < math.inf,
            "0 <= warmup < 1": 0 <= self.warmup < 1,
            "optimizer is adamw or sgd": self.optimizer in ("adamw", "sgd"),
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise StudyError(f"{broken[0]} must hold in a recipe, but got {self}")

    def steps_per_epoch(self, rows: int) -> int:
        """Updates per epoch; a last batch of one row is left out, because batch norm cannot use it."""
        full, rest = divmod(rows, self.batch_size)
        return max(1, full + (rest > 1))

    def learning_rate_factor(self, progress: float) -> float:
        """Multiplier of the learning rate at ``progress`` in [0, 1]."""
        if progress < self.warmup:
            return max(progress / self.warmup, 0.01)
        return (1.0 + math.cos(math.pi * min(1.0, (progress - self.warmup) / (1.0 - self.warmup)))) / 2

    def build_optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser; weight decay spares vectors (biases and the gains of norms)."""
        matrices, vectors = [], []
        for parameter in parameters:
            (matrices if parameter.ndim > 1 else vectors).append(parameter)
        groups = [{"params": matrices, "weight_decay": self.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        groups = [group for group in groups if group["params"]]
        if self.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.learning_rate, momentum=0.9, nesterov=True)
        return torch.optim.AdamW(groups, lr=self.learning_rate)


def default_recipe(data_type: DataType | str, rows: int) -> Recipe:
    raise NotImplementedError
