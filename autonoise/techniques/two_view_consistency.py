"""Agreement between predictions on clean and noisy views."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from autonoise.ranges import ranged
from autonoise.stages import StepTechnique, StepView
from autonoise.technique import technique
from autonoise.types import DataType, Family


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Hendrycks et al. 2020, AugMix: A simple method to improve robustness and uncertainty",
)
class TwoViewConsistency(StepTechnique):
    """Add strength * weight * JSD(p_clean, p_1, p_2), the predictions on the clean batch and two noisy views.

    JSD = (KL(p_clean | m) + KL(p_1 | m) + KL(p_2 | m)) / 3, m the mean of the three, averaged over the batch.
    The views are fresh draws of the policy's input noise (its AugMix, for images); without any they agree
    anyway.
    """

    tags: ClassVar[frozenset[str]] = frozenset({"consistency"})

    weight: float = ranged(1.0, 20.0, default=12.0, log=True, unit="loss per nat", maximum=1e4)

    @property
    def passes(self) -> float:
        return 4.0

    def extra_loss(self, step: StepView) -> Tensor:
        views = [step.clean, step.again(), step.again()]
        logs = torch.stack([step.forward(view).log_softmax(1) for view in views])
        middle = logs.logsumexp(0) - math.log(len(views))
        divergence = (logs.exp() * (logs - middle)).sum(2).mean()
        return step.strength * self.weight * divergence
