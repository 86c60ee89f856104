"""Use the mean absolute error, which wrong labels disturb little, as the loss."""

from __future__ import annotations

from torch import Tensor

from autonoise.technique import DataType, Family, LossNoise, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Ghosh, Kumar & Sastry 2017, Robust loss functions under label noise for deep neural networks",
)
class MAE(LossNoise):
    """Use sum_c |y_c - p_c|, p = softmax(logits), as the loss; for a hard label y this is 2 (1 - p_y).

    logits and y are (B, C); the result is (B,) and lies in [0, 2]. By itself this loss learns slowly and underfits: let
    a schedule bring it in gradually (ramp_up), or use a strength below 1, which mixes it with cross entropy.
    """

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        return (y - logits.softmax(1)).abs().sum(1)
