"""Ask for the same prediction from two passes that differ only in what dropout removes."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from autonoise.technique import ConsistencyTechnique, DataType, Family, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Liang et al. 2021, R-Drop: Regularized dropout for neural networks",
)
class RDrop(ConsistencyTechnique):
    """Add strength * weight * (KL(p_1 | p_2) + KL(p_2 | p_1)) / 2, averaged over the batch.

    p_1 and p_2 are the predictions for the same noisy batch, which goes through the model twice in one batch of 2 B
    rows. They differ by the model's own dropout and by noise of the policy that acts inside the model; without either
    this does nothing. The cross entropy is the mean of the two passes, as in the authors' code (the paper adds them
    up, so that its weight is twice this one).
    """

    views: ClassVar[int] = 2
    source = "noisy"

    # the paper's weights go from 0.5 (classification of texts) to 5 (translation)
    weight: float = ranged(0.3, 5.0, default=1.0, log=True, unit="loss per nat", maximum=1e4)

    def compare(self, logits: Tensor) -> Tensor:
        first, second = logits.log_softmax(2).unbind(0)
        # KL(p|q) + KL(q|p) = sum (p - q) (log p - log q)
        return self.weight * ((first.exp() - second.exp()) * (first - second)).sum(1).mean() / 2
