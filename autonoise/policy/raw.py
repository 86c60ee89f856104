"""Noise on raw strings, before the tokenizer: runs inside data loaders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from autonoise.errors import AttachError
from autonoise.ops.random import seed_from
from autonoise.stages import RawNoise
from autonoise.types import Stage

if TYPE_CHECKING:
    from autonoise.policy.policy import Policy


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
        if not isinstance(text, str):
            raise AttachError(f"raw noise acts on strings, but got {type(text).__name__}: use it before the tokenizer")
        epoch = int(self._epoch[0])
        progress = min(epoch / max(self.epochs - 1, 1), 1.0)
        for position, step in self.steps:
            assert isinstance(step.technique, RawNoise)
            m = self.strength * step.schedule(progress) * step.gate(epoch=epoch, update=epoch)
            rng = np.random.default_rng(seed_from(self.seed, epoch, index, position))
            act, size = rng.random(), rng.random()
            m *= size if step.magnitude == "uniform" else 1.0
            if m > 0 and text and act < step.probability:
                text = step.technique.perturb_text(text, strength=m, rng=rng) or text
        return text

    def many(self, texts: Sequence[str], indices: Sequence[int] | np.ndarray) -> list[str]:
        return [self(text, int(index)) for text, index in zip(texts, indices, strict=True)]
