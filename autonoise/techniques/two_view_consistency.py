"""Ask for the same prediction on the clean batch and on two noisy versions of it."""

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
    """Add strength * weight * JSD(p_clean, p_1, p_2), which is 0 where the three predictions agree.

    p_clean, p_1 and p_2 are the predictions for the clean batch and for two noisy versions (views), made with the
    policy's input noise; without input noise the views agree anyway.

    JSD = (KL(p_clean | m) + KL(p_1 | m) + KL(p_2 | m)) / 3 with m the mean of the three, averaged over the batch.

    As in the paper the three go through the model as one batch, from which batch norm learns, and the cross entropy is
    that of the clean part. Together with techniques that attack, mix pairs or need the whole training step, the cross
    entropy is that of the noisy batch, which has a pass of its own, and the views follow in a second pass.
    """

    version: ClassVar[int] = 2  # version 1 ran each view alone and used the cross entropy of a noisy view
    tags: ClassVar[frozenset[str]] = frozenset({"consistency"})
    views: ClassVar[int] = 2

    # 12 is the AugMix paper's weight
    weight: float = ranged(1.0, 20.0, default=12.0, log=True, unit="loss per nat", maximum=1e4)

    @property
    def passes(self) -> float:
        return 3.0

    def extra_loss(self, step: StepView) -> Tensor:
        logs = step.view_logits(self.views).log_softmax(2)
        middle = logs.logsumexp(0) - math.log(len(logs))
        divergence = (logs.exp() * (logs - middle)).sum(2).mean()
        return step.strength * self.weight * divergence
