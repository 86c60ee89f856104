"""Use a loss between cross entropy and mean absolute error."""

from __future__ import annotations

from torch import Tensor

from autonoise.technique import DataType, Family, LossNoise, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Zhang & Sabuncu 2018, Generalized cross entropy loss for training deep neural networks",
)
class GCE(LossNoise):
    """Use the generalised cross entropy sum_c y_c (1 - p_c^q) / q, p = softmax(logits), as the loss.

    It approaches cross entropy as q goes to 0, and is half of the mean absolute error at q = 1; the paper uses q = 0.7.
    logits and y are (B, C), y holds soft targets, and the result is (B,).
    """

    q: float = ranged(0.1, 0.9, default=0.7, minimum=0.001, maximum=1.0)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        # -expm1(q log p) is 1 - p^q, but its gradient stays finite where p underflows, and it is exact for small q
        return (y * -(self.q * logits.log_softmax(1)).expm1()).sum(1) / self.q
