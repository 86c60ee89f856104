"""Hold on to early predictions, which wrong labels have not spoilt yet."""

from __future__ import annotations

import torch
from torch import Tensor

from autonoise.technique import DataType, Family, MemoryLoss, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Liu et al. 2020, Early-learning regularization prevents memorization of noisy labels",
)
class ELR(MemoryLoss):
    """Use the loss CE + weight * log(1 - <p, t>), with t = memory * t + (1 - memory) * p for each sample.

    p are the predicted probabilities, clipped to 0.0001 .. 0.9999 as in the authors' code, and t the record of those of
    earlier epochs, through which no gradient flows. The second term falls where the prediction agrees with the record,
    so that a model that first learns from the right labels is kept from learning the wrong ones by heart.
    """

    # the authors use 3 for CIFAR-10 and 7 for CIFAR-100, and a memory of 0.7 and 0.9
    weight: float = ranged(0.5, 7.0, default=3.0, log=True, unit="loss per log(1 - agreement)", maximum=100.0)
    memory: float = ranged(0.5, 0.9, default=0.7, unit="share of the record that is kept", minimum=0.0, maximum=1.0)

    def remember(self, record: Tensor, probabilities: Tensor) -> Tensor:
        p = probabilities.clamp(1e-4, 1 - 1e-4)
        return self.memory * record + (1 - self.memory) * p / p.sum(1, keepdim=True)

    def loss_with(self, logits: Tensor, y: Tensor, record: Tensor) -> Tensor:
        logs = logits.log_softmax(1)
        agreement = (record * logs.exp().clamp(1e-4, 1 - 1e-4)).sum(1)
        return -(y * logs).sum(1) + self.weight * torch.log1p(-agreement)
