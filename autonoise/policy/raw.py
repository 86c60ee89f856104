"""Noise on raw strings, before the tokenizer: runs inside data loaders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from autonoise.errors import AttachError
from autonoise.ops.random import seed_from, text_generator, uniform_from
from autonoise.stages import RawNoise
from autonoise.types import Stage

if TYPE_CHECKING:
    from autonoise.policy.policy import Policy, Step


class RawTransform:
    """Perturbs strings; the noise depends only on (seed, epoch, index), so workers and resuming cannot change it.

    Call ``set_epoch(epoch)`` at the start of each epoch; the epoch lives in shared memory, so persistent loader
    workers see it. ``transform(text, index)`` perturbs one string, ``transform.many(texts, indices)`` a list.
    """

    def __init__(self, policy: Policy, *, epochs: int, seed: int = 0) -> None:
        self.steps = [(i, s) for i, s in policy.at_stage(Stage.RAW)]
        self.strength, self.epochs, self.seed = policy.strength, max(epochs, 1), seed
        self._epoch = torch.zeros(1, dtype=torch.long).share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        self._epoch[0] = epoch

    def __call__(self, text: str, index: int) -> str:
        epoch = int(self._epoch[0])
        return self._perturb(text, index, epoch, self._acting(epoch))

    def many(self, texts: Sequence[str], indices: Sequence[int] | np.ndarray) -> list[str]:
        epoch = int(self._epoch[0])
        acting = self._acting(epoch)
        return [self._perturb(text, int(index), epoch, acting) for text, index in zip(texts, indices, strict=True)]

    def _acting(self, epoch: int) -> list[tuple[int, Step, float]]:
        """(position, step, multiplier) of the steps that do something in an epoch."""
        progress = min(epoch / max(self.epochs - 1, 1), 1.0)
        strengths = [
            (i, s, self.strength * s.schedule(progress) * s.gate(epoch=epoch, update=epoch)) for i, s in self.steps
        ]
        return [(i, s, m) for i, s, m in strengths if m > 0]

    def _perturb(self, text: str, index: int, epoch: int, acting: list[tuple[int, Step, float]]) -> str:
        if not isinstance(text, str):
            raise AttachError(f"raw noise acts on strings, but got {type(text).__name__}: use it before the tokenizer")
        for position, step, m in acting:
            assert isinstance(step.technique, RawNoise)
            # the draw that most strings need comes without a generator
            if text and uniform_from(self.seed, epoch, index, position, 0) < step.probability:
                rng = text_generator(seed_from(self.seed, epoch, index, position, 1))
                m = m * rng.random() if step.magnitude == "uniform" else m
                text = step.technique.perturb_text(text, strength=m, rng=rng) or text
        return text
