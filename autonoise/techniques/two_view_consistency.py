"""Agreement between predictions on clean and noisy views."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from autonoise.technique import DataType, Family, StepTechnique, StepView, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Hendrycks et al. 2020, AugMix: A simple method to improve robustness and uncertainty",
)
class TwoViewConsistency(StepTechnique):
    """Add strength * weight * JSD(p_clean, p_1, p_2), the predictions on the clean batch and two noisy views.

    JSD = (KL(p_clean | m) + KL(p_1 | m) + KL(p_2 | m)) / 3, m the mean of the three, averaged over the batch.
    As in the paper the three go through the model as one batch, batch norm learns from all of them, and the cross
    entropy is that of the clean part. The views are draws of the policy's input noise (its AugMix, for images);
    without any they agree anyway. Beside techniques that attack, mix pairs or take the whole step the noisy batch
    keeps the cross entropy and a pass of its own, and the views follow in a second pass.
    """

    version: ClassVar[int] = 2  # 1 ran each view by itself, and took the cross entropy on a noisy one
    tags: ClassVar[frozenset[str]] = frozenset({"consistency"})
    views: ClassVar[int] = 2

    weight: float = ranged(1.0, 20.0, default=12.0, log=True, unit="loss per nat", maximum=1e4)

    @property
    def passes(self) -> float:
        return 3.0

    def extra_loss(self, step: StepView) -> Tensor:
        logs = step.view_logits(self.views).log_softmax(2)
        middle = logs.logsumexp(0) - math.log(len(logs))
        divergence = (logs.exp() * (logs - middle)).sum(2).mean()
        return step.strength * self.weight * divergence
