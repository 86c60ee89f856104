"""Where training stands, and the random numbers that belong to that point."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from autonoise.errors import AttachError
from autonoise.ops.random import generator, seed_from
from autonoise.technique.step import Step

# What a generator is for; part of its seed, so that uses never share a stream.
DRAW, LEAF, PLAN, SITE, VIEW = range(5)
BLOCK = 16
"""Updates whose draws of who is perturbed are made at once: one by one they cost more than the noise of a table."""
NOBODY = 1 << 62


class Knob:
    """The global strength of a policy at work: one number that every stage reads, in every process.

    In shared memory (``shared``) where loader workers read it, too.
    """

    def __init__(self, strength: float, *, shared: bool = False) -> None:
        self._held = torch.tensor([strength], dtype=torch.float64)
        if shared:
            self._held.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def value(self) -> float:
        return float(self._held.item())

    @value.setter
    def value(self, strength: float) -> None:
        if not 0 <= strength <= 100:  # not a number fails, too
            raise AttachError(f"0 <= strength <= 100 must hold, but got {strength!r}")
        self._held[0] = strength


@dataclass(frozen=True)
class _Block:
    """Strengths before the multiplier, (BLOCK, at least size), and the first row of each update that is not 0."""

    key: tuple[int, int, float, bool]
    values: Tensor
    first: list[int]


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
    _generators: dict[tuple[int, int, int, str], Generator] = field(default_factory=dict, repr=False)
    _blocks: dict[tuple[int, ...], _Block] = field(default_factory=dict, repr=False)

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
        seed = seed_from(self.seed, rank, self.update, micro, index, purpose, extra)
        place = (index, purpose, extra, str(device))
        if place not in self._generators:
            self._generators[place] = generator(seed, device)
        # a use has its own generator for good: seeding one again takes half the time of making one
        return self._generators[place].manual_seed(seed)

    def multiplier(self, step: Step, knob: float) -> float:
        """Schedule times gate times the policy's global strength."""
        if step.gate.every > 1 and not step.gate(epoch=self.epoch, update=self.update):
            return 0.0
        return knob if step.schedule.steady else knob * step.schedule(self.progress)

    def strengths(
        self,
        step: Step,
        index: int,
        size: int,
        knob: float,
        device: torch.device,
        extra: int = 0,
        *,
        per_update: bool = False,
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
        block, row = self._block(index, extra, size, share, fixed, per_update), self.update % BLOCK
        return (amplitude * block.values[row, :size]).to(device) if block.first[row] < size else None

    def _block(self, index: int, extra: int, size: int, share: float, fixed: bool, per_update: bool) -> _Block:
        """The draws of BLOCK updates from a multiple of it on; a function of the keys, whatever was drawn before."""
        rank, micro = (0, 0) if per_update else (self.rank, self.micro)
        width = 1 << max(size - 1, 0).bit_length()
        place, key = (index, extra, rank, micro, width), (self.seed, self.update // BLOCK, share, fixed)
        block = self._blocks.get(place)
        if block is None or block.key != key:
            seed = seed_from(self.seed, rank, self.update // BLOCK, micro, index, DRAW, extra)
            draws = torch.rand(2, BLOCK, width, generator=generator(seed), dtype=torch.float32, device="cpu")
            acts = draws[0] < share
            values = acts.float() if fixed else acts * draws[1]
            first = torch.where(acts.any(1), acts.int().argmax(1), NOBODY)
            block = self._blocks[place] = _Block(key, values, first.tolist())
        return block

    def everywhere(self, step: Step, knob: float) -> bool:
        """Whether every row's strength is above 0, as far as that needs no draws."""
        scaled = step.technique.multiplier == "probability"
        share = step.probability * (self.multiplier(step, knob) if scaled else 1.0)
        return share >= 1 and (scaled or step.magnitude == "fixed")

    def strength(self, step: Step, index: int, knob: float) -> float:
        """One strength for the whole update (weight, loss, gradient and step stages)."""
        key = (self.update, self.seed, knob, step)
        kept = self._strengths.get(index)
        if kept is None or kept[0] != key:
            values = self.strengths(step, index, 1, knob, torch.device("cpu"), per_update=True)
            kept = self._strengths[index] = (key, 0.0 if values is None else float(values[0]))
        return kept[1]
