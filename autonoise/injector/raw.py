"""Noise on raw strings, before the tokenizer: runs inside data loaders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from autonoise.errors import AttachError
from autonoise.injector.clock import Knob
from autonoise.ops.random import seed_from, text_generator, uniform_from
from autonoise.ops.text_draws import TextDraws, seeds_from, uniforms_from
from autonoise.technique.consistency import ConsistencyTechnique
from autonoise.technique.groups import groups_of
from autonoise.technique.many_texts import perturb_all
from autonoise.technique.stages import RawNoise
from autonoise.technique.step import Step, Steps
from autonoise.technique.words import counted
from autonoise.types import Stage

SEED, EPOCH, EPOCH_SET, USED = range(4)
"""Positions in the shared memory of a transform: two numbers, and whether the epoch was ever set, a string ever met."""
MANY = 8
"""From so many strings on, drawing for all of them at once is faster than for each by itself."""
_WORD, _HALF = 1 << 64, 1 << 63
"""The number of values of 64 bits, and half of it."""


def versions_of(policy: Steps) -> int:
    """The number of versions of each string that a policy compares, where noise acts before the tokenizer."""
    if not policy.at_stage(Stage.RAW):
        return 1
    found = [s.technique for _, s in policy.at_stage(Stage.STEP) if isinstance(s.technique, ConsistencyTechnique)]
    return max([t.views for t in found if t.source == "clean"], default=1)


class RawTransform:
    """Perturbs strings; the noise depends only on (seed, epoch, index), so workers and resuming cannot change it.

    Call ``set_epoch(epoch)`` at the start of each epoch. ``transform(text, index)`` perturbs one string,
    ``transform.many(texts, indices)`` a list. What changes while training goes on (the epoch, the strength, the seed
    that resuming brings back) lives in shared memory, so that loader workers which run already see it.
    """

    made_by: ClassVar[str] = "raw_transform()"
    takes: ClassVar[str] = "string"
    where: ClassVar[str] = "before the tokenizer"

    def __init__(self, policy: Steps, *, epochs: int, seed: int = 0, knob: Knob | None = None) -> None:
        self.steps = [(i, s) for i, s in policy.at_stage(Stage.RAW)]
        self.epochs, self.policy_hash = max(epochs, 1), policy.hash
        self.hashes = frozenset({policy.hash})
        self.versions, self.groups = versions_of(policy), groups_of(policy.steps)
        self.knob = Knob(policy.strength, shared=True) if knob is None else knob
        self._state = torch.zeros(4, dtype=torch.long).share_memory_()  # type: ignore[no-untyped-call]
        self.set_seed(seed)

    def __repr__(self) -> str:
        acting = " + ".join(s.name for _, s in self.steps) or "no step"
        left = ", ".join(s.name for s in getattr(self, "left", ()))
        told = f"{acting}, {counted(self.epochs, 'epoch')}" + (f"; left to the injector: {left}" if left else "")
        return f"{type(self).__name__}({told})"

    @property
    def strength(self) -> float:
        """The global strength; that of the injector where this transform belongs to one."""
        return self.knob.value

    @property
    def used(self) -> bool:
        """Whether any string went through, in whichever process."""
        return bool(self._state[USED])

    @property
    def epoch_set(self) -> bool:
        return bool(self._state[EPOCH_SET])

    def set_epoch(self, epoch: int) -> None:
        self._state[EPOCH], self._state[EPOCH_SET] = epoch, 1

    def set_seed(self, seed: int) -> None:
        # torch holds signed numbers only: the same 64 bits, read as one
        self._state[SEED] = (seed + _HALF) % _WORD - _HALF

    def __call__(self, text: str, index: int) -> str:
        return self.many([text], [index])[0]

    def many(self, texts: Sequence[str], indices: Sequence[int] | np.ndarray) -> list[str]:
        return self._draw(texts, indices, 0)

    def views(self, texts: Sequence[str], indices: Sequence[int] | np.ndarray) -> list[str]:
        """All versions of the texts that the policy compares: the clean ones, then noisy ones, one after another.

        Tokenise them together and hand them to ``injector.perturb(x, y)`` with the y of the texts alone. The same as
        ``many`` where the policy compares no versions of strings.
        """
        if self.versions == 1:
            return self.many(texts, indices)
        return [*texts, *(t for view in range(self.versions - 1) for t in self._draw(texts, indices, view))]

    def _draw(self, texts: Sequence[str], indices: Sequence[int] | np.ndarray, view: int) -> list[str]:
        """Draw number ``view`` of the noise on all texts."""
        seed, epoch, _, used = self._state.tolist()
        if not used:
            self._state[USED] = 1
        # whoever draws once gets the numbers that a seed gave before there were views
        seed = seed_from(seed, view) if view else seed
        acting = self._acting(epoch)
        if len(texts) < MANY or len(texts) != len(indices):
            return [self._perturb(t, int(i), seed, epoch, acting) for t, i in zip(texts, indices, strict=True)]
        return self._perturb_many(texts, np.asarray(indices), seed, epoch, acting)

    def _acting(self, epoch: int) -> list[tuple[int, Step, float]]:
        """(position, step, multiplier) of the steps that do something in an epoch."""
        progress, strength = min(epoch / max(self.epochs - 1, 1), 1.0), self.strength
        strengths = [(i, s, strength * s.schedule(progress) * s.gate(epoch=epoch, update=epoch)) for i, s in self.steps]
        return [(i, s, m) for i, s, m in strengths if m > 0]

    def _perturb_many(
        self, texts: Sequence[str], indices: np.ndarray, seed: int, epoch: int, acting: list[tuple[int, Step, float]]
    ) -> list[str]:
        """What :meth:`_perturb` does to each string, with the draws of all strings at once."""
        out = list(map(_checked, texts))
        for position, step, m in acting:
            assert isinstance(step.technique, RawNoise)
            acts, group = np.fromiter(map(bool, out), bool, len(out)), self.groups.get(position)
            if group:
                chosen = (uniforms_from((seed, epoch), indices, group[0], 3) * len(group)).astype(int)
                acts &= chosen == group.index(position)
            if step.probability < 1:
                acts &= uniforms_from((seed, epoch), indices, position, 0) < step.probability
            rows = acts.nonzero()[0]
            if not len(rows):
                continue
            draws, strengths = TextDraws(seeds_from((seed, epoch), indices[rows], position, 1)), [m] * len(rows)
            if step.magnitude == "uniform":
                strengths, draws = (m * draws.uniform(1)[:, 0]).tolist(), draws.after(1)
            numbers = rows.tolist()
            changed = perturb_all(step.technique, [out[i] for i in numbers], strengths=strengths, draws=draws)
            for i, text in zip(numbers, changed, strict=True):
                out[i] = text or out[i]
        return out

    def _perturb(self, text: str, index: int, seed: int, epoch: int, acting: list[tuple[int, Step, float]]) -> str:
        _checked(text)
        for position, step, m in acting:
            assert isinstance(step.technique, RawNoise)
            group = self.groups.get(position)
            if group and int(uniform_from(seed, epoch, index, group[0], 3) * len(group)) != group.index(position):
                continue
            # whether the step acts is drawn without a generator, which takes longer to make than most strings to read
            if text and uniform_from(seed, epoch, index, position, 0) < step.probability:
                rng = text_generator(seed_from(seed, epoch, index, position, 1))
                m = m * rng.random() if step.magnitude == "uniform" else m
                text = step.technique.perturb_text(text, strength=m, rng=rng) or text
        return text


def _checked(text: str) -> str:
    if not isinstance(text, str):
        raise AttachError(f"raw noise acts on strings, but got {type(text).__name__}: use it before the tokenizer")
    return text
