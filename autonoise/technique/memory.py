"""``MemoryLoss``: a loss that compares a prediction with what was predicted for the same sample before."""

from __future__ import annotations

from torch import Tensor

from autonoise.technique.stages import LossNoise


class MemoryLoss(LossNoise):
    """Replaces cross entropy by a loss that knows a record (C,) of each sample of the training data.

    The injector keeps the records, all 0 at first, and needs the number of each sample for it:
    ``injector.perturb(x, y, rows=numbers)``.
    """

    conflicts = LossNoise.conflicts | frozenset({"pairs"})

    def remember(self, record: Tensor, probabilities: Tensor) -> Tensor:
        """Return the records (B, C) after a pass in which the model gave these probabilities (B, C)."""
        raise NotImplementedError

    def loss_with(self, logits: Tensor, y: Tensor, record: Tensor) -> Tensor:
        """Return the loss (B,) of each sample, from logits and soft targets (B, C) and the new records (B, C)."""
        raise NotImplementedError

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of samples that were never seen before."""
        return self.loss_with(logits, y, self.remember(logits.new_zeros(logits.shape), logits.detach().softmax(1)))
