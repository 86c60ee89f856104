"""Auxiliary heads: small networks that a technique trains beside the model, such as a decoder of its features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from autonoise.injector.clock import Clock
from autonoise.ops.random import seed_from

HEAD_LEARNING_RATE = 1e-3
"""Learning rate of the heads' AdamW, its usual default: heads are small and train fast, whatever the model needs."""


class Heads:
    """Auxiliary heads by step index, with their own optimiser; the user's model and optimiser stay as they are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._modules: dict[int, nn.Module] = {}
        self._optimizers: dict[int, torch.optim.Optimizer] = {}
        self._waiting: dict[int, Any] = {}

    def get(self, index: int, make: Callable[[], nn.Module], device: torch.device) -> nn.Module:
        if index not in self._modules:
            # modules draw their initial weights from the global stream, which belongs to the user
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed_from(self._clock.seed, index))
                head = make().to(device)
            self._modules[index] = head
            self._optimizers[index] = torch.optim.AdamW(head.parameters(), lr=HEAD_LEARNING_RATE)
            if index in self._waiting:
                saved = self._waiting.pop(index)
                head.load_state_dict(saved["head"])
                self._optimizers[index].load_state_dict(saved["optimizer"])
        return self._modules[index]

    def zero_grad(self) -> None:
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def step(self, scale: float = 1.0) -> None:
        """One update; ``scale`` is the factor that the gradients are multiplied by.

        A head whose scaled gradients overflowed leaves the update out, as a gradient scaler does for the model.
        """
        for index, optimizer in self._optimizers.items():
            gradients = [p.grad for p in self._modules[index].parameters() if p.grad is not None]
            if scale != 1:
                for g in gradients:
                    g.div_(scale)
                if not all(bool(torch.isfinite(g).all()) for g in gradients):
                    continue
            optimizer.step()

    def state_dict(self) -> dict[int, Any]:
        made = {
            i: {"head": m.state_dict(), "optimizer": self._optimizers[i].state_dict()} for i, m in self._modules.items()
        }
        return made | self._waiting

    def load_state_dict(self, state: dict[int, Any]) -> None:
        """Heads are made on first use; until then their state waits."""
        self._modules, self._optimizers, self._waiting = {}, {}, dict(state)
