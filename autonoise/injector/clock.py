"""Where training stands, and the random numbers that belong to that point."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from autonoise.errors import AttachError
from autonoise.ops.devices import on_device
from autonoise.ops.random import generator, seed_from
from autonoise.technique.groups import groups_of
from autonoise.technique.step import Step, Steps

DRAW, LEAF, PLAN, SITE, VIEW, CHOICE, CLEAN = range(7)
"""What random numbers are for: which rows a step acts on, the noise itself, who is mixed with whom, at which place,
further views, which step of a group acts, which rows stay clean. It is part of their seed, so that two uses never get
the same numbers."""
BLOCK = 16
"""Which rows a step acts on is drawn for so many updates at once. Drawn for each update by itself, it would take longer
than the noise of a small batch."""
NOBODY = 1 << 62
"""Stands for the first row that a step acts on where it acts on none: larger than any number of rows."""


class Knob:
    """The global strength of an attached policy: one number that every stage reads and that may change meanwhile.

    ``shared``: it lies in shared memory, since the processes of a data loader read it too.
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
        if not 0 <= strength <= 100:  # so written that not-a-number is refused too
            raise AttachError(f"0 <= strength <= 100 must hold, but got {strength!r}")
        self._held[0] = strength


@dataclass(frozen=True)
class _Block:
    """What was drawn for BLOCK updates.

    Attributes:
        key: what it was drawn for.
        values: (BLOCK, rows), the strength of each row before schedule, gate and global strength; 0: not acted on.
        first: for each update, the first row whose strength is not 0, or NOBODY.
    """

    key: tuple[int, int, float, bool]
    values: Tensor
    first: list[int]


@dataclass
class Clock:
    """Counts updates and micro-batches, and gives every draw a seed of its own.

    That seed is made of (seed, rank, update, micro-batch, step, purpose, extra). Because no draw depends on those
    before it, the noise is right after resuming, in a pass that gradient checkpointing repeats, and in each process of
    a distributed training.
    """

    seed: int
    rank: int
    epochs: int
    steps_per_epoch: int
    total: int = 0
    """The number of updates after which training ends, where that is no whole number of epochs; 0: it is."""
    update: int = 0
    micro: int = -1
    groups: dict[int, tuple[int, ...]] = field(default_factory=dict)
    clean_share: float = 0.0
    _strengths: dict[int, tuple[tuple[int, int, float, Step], float]] = field(default_factory=dict, repr=False)
    _generators: dict[tuple[int, int, int, str], Generator] = field(default_factory=dict, repr=False)
    _blocks: dict[tuple[int, ...], _Block] = field(default_factory=dict, repr=False)

    @property
    def planned(self) -> int:
        """The number of updates that training has."""
        return self.total or self.epochs * self.steps_per_epoch

    def follow(self, policy: Steps) -> None:
        """Draw for the steps of this policy: its groups, and the rows that it keeps clean."""
        self.groups, self.clean_share = groups_of(policy.steps), policy.clean_share

    @property
    def progress(self) -> float:
        """Share of training done, 0 at the first update, 1 at the last and ever after."""
        return min(self.update / max(self.planned - 1, 1), 1.0)

    @property
    def epoch(self) -> int:
        return self.update // self.steps_per_epoch

    def rng(
        self, index: int, purpose: int, extra: int = 0, device: torch.device | str = "cpu", *, per_update: bool = False
    ) -> Generator:
        """The generator for one use, seeded for this point of training.

        Args:
            index: the step's position in the policy.
            purpose: DRAW, LEAF, PLAN, SITE or VIEW.
            extra: tells several draws of one purpose apart, for example by the number of a layer.
            per_update: the same numbers in all processes and micro-batches, for what must be alike in them.
        """
        rank, micro = (0, 0) if per_update else (self.rank, self.micro)
        seed = seed_from(self.seed, rank, self.update, micro, index, purpose, extra)
        place = (index, purpose, extra, str(device))
        if place not in self._generators:
            self._generators[place] = generator(seed, device)
        # generators are kept: seeding one again takes half the time of making one
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
        blocks: int = 1,
    ) -> Tensor | None:
        """What :meth:`drawn` gives, on a device."""
        drawn = self.drawn(step, index, size, knob, extra, per_update=per_update, blocks=blocks)
        return None if drawn is None else on_device(drawn, device)

    def drawn(
        self,
        step: Step,
        index: int,
        size: int,
        knob: float,
        extra: int = 0,
        *,
        per_update: bool = False,
        blocks: int = 1,
    ) -> Tensor | None:
        """(size,) float32 strengths of a step for this micro-batch, or None when it does nothing.

        Drawn on the CPU, so that all devices agree and nothing waits for a GPU. ``blocks``: of how many versions of the
        same rows the batch is made, one after another; a clean row is clean in all of them.
        """
        drawn = self._drawn(step, index, size, knob, extra, per_update=per_update)
        acts = None if drawn is None else self._acts(index, size, extra, per_update, blocks)
        return drawn if drawn is None or acts is None else (drawn * acts if bool(acts.any()) else None)

    def _acts(self, index: int, size: int, extra: int, per_update: bool, blocks: int) -> Tensor | None:
        """(size,) of 0 and 1: which rows are neither kept clean nor another step's of the group; None: all."""
        rank, micro = (0, 0) if per_update else (self.rank, self.micro)
        acts = None
        group = self.groups.get(index)
        if group is not None:
            seed = seed_from(self.seed, rank, self.update, micro, group[0], CHOICE, extra)
            chosen = torch.rand(size, generator=generator(seed)) * len(group)
            acts = (chosen.floor() == group.index(index)).float()
        if self.clean_share and not per_update:
            rows = size // blocks
            draws = torch.rand(
                rows + 1, generator=generator(seed_from(self.seed, rank, self.update, micro, 0, CLEAN, 0))
            )
            # a fraction of a row is one row more in so many batches
            count = int(self.clean_share * rows + float(draws[-1]))
            noisy = torch.ones(rows).index_fill_(0, draws[:-1].argsort()[:count], 0.0).repeat(blocks)
            acts = noisy if acts is None else acts * noisy
        return acts

    def _drawn(
        self,
        step: Step,
        index: int,
        size: int,
        knob: float,
        extra: int,
        *,
        per_update: bool,
    ) -> Tensor | None:
        """Strengths by probability, magnitude, schedule and gate alone."""
        m = self.multiplier(step, knob)
        if m <= 0 or step.probability <= 0:
            return None
        share, amplitude, fixed = step.probability, m, step.magnitude == "fixed"
        if step.technique.multiplier == "probability":
            share, amplitude, fixed = share * m, 1.0, True
        if share >= 1 and fixed:
            return _alike(size, amplitude)
        block, row = self._block(index, extra, size, share, fixed, per_update), self.update % BLOCK
        return amplitude * block.values[row, :size] if block.first[row] < size else None

    def _block(self, index: int, extra: int, size: int, share: float, fixed: bool, per_update: bool) -> _Block:
        """The draws for the BLOCK updates that this one belongs to, the same whichever of them asks first."""
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
        """Whether a step is certain to act on every row, which can be told without drawing anything."""
        if step.one_of or self.clean_share:
            return False
        scaled = step.technique.multiplier == "probability"
        share = step.probability * (self.multiplier(step, knob) if scaled else 1.0)
        return share >= 1 and (scaled or step.magnitude == "fixed")

    def strength(self, step: Step, index: int, knob: float) -> float:
        """One strength for the whole update (weight, loss, gradient and step stages)."""
        key = (self.update, self.seed, knob, step)
        kept = self._strengths.get(index)
        if kept is None or kept[0] != key:
            values = self.drawn(step, index, 1, knob, per_update=True)
            kept = self._strengths[index] = (key, 0.0 if values is None else float(values[0]))
        return kept[1]


@functools.lru_cache(maxsize=16)
def _alike(size: int, strength: float) -> Tensor:
    """(size,) times the same strength; it is kept for the next batches, so it must never be changed in place."""
    with torch.inference_mode(False):  # what is made in inference mode cannot be used in training
        return torch.full((size,), strength, dtype=torch.float32)
