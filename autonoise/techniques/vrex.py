"""Risk extrapolation over noise levels."""

from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ranges import ranged
from autonoise.stages import StepTechnique, StepView
from autonoise.technique import technique
from autonoise.types import DataType, Family


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Krueger et al. 2021, Out-of-distribution generalization via risk extrapolation (REx)",
)
class Vrex(StepTechnique):
    """Add w * Var_e(R_e) to the loss, w = strength * penalty, over environments: clean, half noise, noise.

    R_e is an environment's mean loss less the entropy of its targets, so that soft targets do not count as
    risk. As in the paper the whole loss is divided by w where w > 1. Anneal by a schedule (warm_up, window).
    Without input noise in the policy the environments differ little and it does nothing.
    """

    penalty: float = ranged(0.1, 1e5, default=10.0, log=True, unit="loss per squared loss", maximum=1e8)

    @property
    def passes(self) -> float:
        return 3.0

    def extra_loss(self, step: StepView) -> Tensor:
        weight = step.strength * self.penalty
        main = step.loss(step.logits, step.targets)
        clean, half = step.forward(step.clean), step.forward(step.again(0.5))
        risks = torch.stack([
            main - _entropy(step.targets),
            step.loss(half, step.clean_targets) - _entropy(step.clean_targets),
            step.loss(clean, step.clean_targets) - _entropy(step.clean_targets),
        ])
        return (main + weight * risks.var(correction=0)) / max(1.0, weight) - main


def _entropy(targets: Tensor) -> Tensor:
    entropies: Tensor = torch.special.entr(targets.detach())
    return entropies.sum(1).mean()
