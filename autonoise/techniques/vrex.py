"""Risk extrapolation over noise levels."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from autonoise.technique import DataType, Family, StepTechnique, StepView, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    reference="Krueger et al. 2021, Out-of-distribution generalization via risk extrapolation (REx)",
)
class Vrex(StepTechnique):
    """Add w * Var_e(R_e) to the loss, w = strength * penalty, over environments: clean, half noise, noise.

    R_e is an environment's mean loss against the targets as given: smoothed, flipped or mixed ones are no risk of the
    noise. As in the paper the whole loss is divided by w where w > 1. Anneal by a schedule (warm_up, window).
    Without input noise in the policy the environments differ little and it does nothing. Beside mixup and its kin
    the noisy environment takes a pass of its own.
    """

    version = 2
    changes: ClassVar[str] = (
        "all environments are judged by the targets as given; the entropy of each one's own targets was taken off, "
        "also from losses that are no cross entropy"
    )

    penalty: float = ranged(0.1, 1e5, default=10.0, log=True, unit="loss per squared loss", maximum=1e8)

    @property
    def passes(self) -> float:
        return 3.0

    def extra_loss(self, step: StepView) -> Tensor:
        weight = step.strength * self.penalty
        main = step.loss(step.logits, step.targets)
        clean, half = step.forward(step.clean), step.forward(step.again(0.5))
        # rows that are mixed in pairs are no environment of the clean labels
        noisy = step.forward(step.again()) if step.mixed else step.logits
        risks = torch.stack([step.loss(logits, step.clean_targets) for logits in (noisy, half, clean)])
        return (main + weight * risks.var(correction=0)) / max(1.0, weight) - main
