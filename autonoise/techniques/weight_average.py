"""Evaluate an average of the weights of many updates in place of the last ones (EMA, SWA)."""

from __future__ import annotations

from autonoise.technique import AveragingTechnique, DataType, Family, choice, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.WEIGHT,
    reference="Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging; "
    "Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization (kind uniform)",
)
class WeightAverage(AveragingTechnique):
    """Keep A + share * (W - A) after each update, and evaluate with A.

    The kind ``exponential`` (EMA) forgets: share = 1 / (horizon * updates of the training), so that weights older than
    the horizon hardly count; in its first updates it is the plain mean of what there is. The kind ``uniform`` (SWA) is
    the plain mean of all since the step began to act, so give it a schedule that begins late, such as ``window``.
    At strength s below 1 the share is 1 - s + s * share.

    Training itself is not changed. The running statistics of batch norm are averaged like weights.
    """

    kind: str = choice("exponential", "uniform")
    horizon: float = ranged(0.01, 0.3, default=0.05, log=True, unit="share of the training", maximum=1.0)

    def share(self, *, averaged: int, updates: int) -> float:
        mean = 1 / (averaged + 1)
        # a horizon of less than two updates would average nothing
        return mean if self.kind == "uniform" else max(mean, 1 / max(self.horizon * updates, 2))
