"""Ask for the same prediction on the clean batch and on two noisy versions of it."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from autonoise.technique import ConsistencyTechnique, DataType, Family, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Hendrycks et al. 2020, AugMix: A simple method to improve robustness and uncertainty",
)
class TwoViewConsistency(ConsistencyTechnique):
    """Add strength * weight * JSD(p_clean, p_1, p_2), which is 0 where the three predictions agree.

    p_clean, p_1 and p_2 are the predictions for the clean batch and for two noisy versions (views), made with the
    policy's input noise; without input noise the views agree anyway.

    JSD = (KL(p_clean | m) + KL(p_1 | m) + KL(p_2 | m)) / 3 with m the mean of the three, averaged over the batch.

    As in the paper the three go through the model as one batch, from which batch norm learns, and the cross entropy is
    that of the clean part. Together with techniques that attack, mix pairs or need the whole training step, the cross
    entropy is that of the noisy batch, which goes through the model with the three as a fourth block of rows.
    """

    version: ClassVar[int] = 3  # version 1 ran each view alone and used the cross entropy of a noisy view
    changes: ClassVar[str] = (
        "beside attacks and mixed pairs the views go through the model in the same batch as the noisy rows, with the "
        "noise inside the model, and batch norm learns from them too"
    )
    views: ClassVar[int] = 3
    source = "clean"

    # 12 is the AugMix paper's weight
    weight: float = ranged(1.0, 20.0, default=12.0, log=True, unit="loss per nat", maximum=1e4)

    def compare(self, logits: Tensor) -> Tensor:
        logs = logits.log_softmax(2)
        middle = logs.logsumexp(0) - math.log(len(logs))
        return self.weight * (logs.exp() * (logs - middle)).sum(2).mean()
