"""Mean absolute error as a robust loss."""

from __future__ import annotations

from torch import Tensor

from autonoise.technique import DataType, Family, LossNoise, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Ghosh, Kumar & Sastry 2017, Robust loss functions under label noise for deep neural networks",
)
class MAE(LossNoise):
    """Use sum_c |y_c - p_c|, p = softmax(logits); for a hard label it is 2 (1 - p_y).

    logits, y: (B, C); returns (B,) in [0, 2]. Alone it underfits: ramp it up, or blend by the strength.
    """

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        return (y - logits.softmax(1)).abs().sum(1)
