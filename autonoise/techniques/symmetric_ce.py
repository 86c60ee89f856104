"""Use cross entropy plus its reverse as the loss."""

from __future__ import annotations

from torch import Tensor

from autonoise.technique import DataType, Family, LossNoise, ranged, technique

# What stands for log 0 in the reverse cross entropy; the value is the paper's.
_LOG_ZERO = -4.0


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Wang et al. 2019, Symmetric cross entropy for robust learning with noisy labels",
)
class SymmetricCE(LossNoise):
    """Use alpha * CE + beta * RCE with CE = -sum_c y_c log p_c and the reverse RCE = -sum_c p_c log y_c.

    p = softmax(logits). log y is cut off at -4, since log 0 is not finite; for a hard label RCE is then 4 (1 - p_y).
    logits and y are (B, C), y holds soft targets, and the result is (B,).
    """

    # the defaults are the paper's for CIFAR-10
    alpha: float = ranged(0.01, 10.0, default=0.1, log=True, maximum=100.0)
    beta: float = ranged(0.1, 10.0, default=1.0, log=True, maximum=100.0)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        forward = -(y * logits.log_softmax(1)).sum(1)
        reverse = -(logits.softmax(1) * y.log().clamp(min=_LOG_ZERO)).sum(1)
        return self.alpha * forward + self.beta * reverse
