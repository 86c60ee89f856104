"""Symmetric cross entropy."""

from __future__ import annotations

from torch import Tensor

from autonoise.technique import DataType, Family, LossNoise, ranged, technique

_LOG_ZERO = -4.0


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Wang et al. 2019, Symmetric cross entropy for robust learning with noisy labels",
)
class SymmetricCE(LossNoise):
    """Use alpha * CE + beta * RCE, CE = -sum_c y_c log p_c, RCE = -sum_c p_c log y_c with log 0 := -4.

    logits, y: (B, C), y soft, log y cut off at -4; returns (B,). For a hard label RCE is 4 (1 - p_y).
    """

    alpha: float = ranged(0.01, 10.0, default=0.1, log=True, maximum=100.0)
    beta: float = ranged(0.1, 10.0, default=1.0, log=True, maximum=100.0)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        forward = -(y * logits.log_softmax(1)).sum(1)
        reverse = -(logits.softmax(1) * y.log().clamp(min=_LOG_ZERO)).sum(1)
        return self.alpha * forward + self.beta * reverse
