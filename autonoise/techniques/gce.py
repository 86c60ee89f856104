"""Generalised cross entropy."""

from __future__ import annotations

from torch import Tensor

from autonoise.technique import DataType, Family, LossNoise, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Zhang & Sabuncu 2018, Generalized cross entropy loss for training deep neural networks",
)
class GCE(LossNoise):
    """Use sum_c y_c (1 - p_c^q) / q, p = softmax(logits): cross entropy as q → 0, half of the MAE at q = 1.

    logits, y: (B, C), y soft; returns (B,).
    """

    q: float = ranged(0.1, 0.9, default=0.7, minimum=0.001, maximum=1.0)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        # -expm1(q log p) instead of 1 - p^q: finite gradients where p underflows, exact where q is small
        return (y * -(self.q * logits.log_softmax(1)).expm1()).sum(1) / self.q
