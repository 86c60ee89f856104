"""Where training stands, and the random numbers that belong to that point."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Generator, Tensor

from autonoise.ops.random import generator, seed_from
from autonoise.policy.policy import Step

# What a generator is for; part of its seed, so that uses never share a stream.
DRAW, LEAF, PLAN, SITE, VIEW = range(5)


@dataclass
class Clock:
    """Counts updates and micro-batches; keys every draw by (seed, rank, update, micro-batch, step, purpose, extra).

    Because nothing is drawn in sequence, resuming, gradient checkpointing and DDP ranks get the right noise.
    """

    seed: int
    rank: int
    epochs: int
    steps_per_epoch: int
    update: int = 0
    micro: int = -1
    _strengths: dict[int, tuple[tuple[int, int, float, Step], float]] = field(default_factory=dict, repr=False)

    @property
    def progress(self) -> float:
        """Share of training done, 0 at the first update, 1 at the last and ever after."""
        return min(self.update / max(self.epochs * self.steps_per_epoch - 1, 1), 1.0)

    @property
    def epoch(self) -> int:
        return self.update // self.steps_per_epoch

    def rng(
        self, index: int, purpose: int, extra: int = 0, device: torch.device | str = "cpu", *, per_update: bool = False
    ) -> Generator:
        """``per_update``: the same on all ranks and micro-batches, for what replicas must decide or do alike."""
        rank, micro = (0, 0) if per_update else (self.rank, self.micro)
        return generator(seed_from(self.seed, rank, self.update, micro, index, purpose, extra), device)

    def multiplier(self, step: Step, knob: float) -> float:
        """Schedule times gate times the policy's global strength."""
        if not step.gate(epoch=self.epoch, update=self.update):
            return 0.0
        return knob * step.schedule(self.progress)

    def strengths(
        self, step: Step, index: int, size: int, knob: float, device: torch.device, extra: int = 0,
        *, per_update: bool = False,
    ) -> Tensor | None:
        """(size,) float32 strengths of a step for this micro-batch, or None when it does nothing.

        Drawn on the CPU, so that all devices agree and nothing waits for a GPU.
        """
        m = self.multiplier(step, knob)
        if m <= 0 or step.probability <= 0:
            return None
        share, amplitude, fixed = step.probability, m, step.magnitude == "fixed"
        if step.technique.multiplier == "probability":
            share, amplitude, fixed = share * m, 1.0, True
        if share >= 1 and fixed:
            return torch.full((size,), amplitude, dtype=torch.float32, device=device)
        # in numpy: a handful of operations on a few numbers, which cost a fifth there
        draws = torch.rand(2, size, generator=self.rng(index, DRAW, extra, per_update=per_update)).numpy()
        values = np.float32(amplitude) * (draws[0] < share)
        if not fixed:
            values = values * draws[1]
        return torch.from_numpy(values).to(device) if values.any() else None

    def strength(self, step: Step, index: int, knob: float) -> float:
        """One strength for the whole update (weight, loss, gradient and step stages)."""
        key = (self.update, self.seed, knob, step)
        kept = self._strengths.get(index)
        if kept is None or kept[0] != key:
            values = self.strengths(step, index, 1, knob, torch.device("cpu"), per_update=True)
            kept = self._strengths[index] = (key, 0.0 if values is None else float(values[0]))
        return kept[1]
