"""Ask for the same loss at every noise level (risk extrapolation)."""

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
    """Add w * Var(R_clean, R_half, R_noisy) to the loss, with w = strength * penalty.

    The three R are the mean losses on the clean batch, with noise at half strength, and with full noise. They are
    always taken against the targets as given, since softened, replaced or mixed targets would change the loss by
    themselves. As in the paper the whole loss is divided by w where w > 1. The penalty is best brought in late, by a
    schedule (warm_up, window).

    Without input noise in the policy the three losses hardly differ, and this does next to nothing. Together with
    techniques that mix pairs of samples, the noisy loss needs a pass of its own.
    """

    version = 2
    changes: ClassVar[str] = (
        "all environments are judged by the targets as given; the entropy of each one's own targets was taken off, "
        "also from losses that are no cross entropy"
    )

    needs_unmixed: ClassVar[bool] = True

    penalty: float = ranged(0.1, 1e5, default=10.0, log=True, unit="loss per squared loss", maximum=1e8)

    @property
    def passes(self) -> float:
        return 3.0

    def extra_loss(self, step: StepView) -> Tensor:
        weight = step.strength * self.penalty
        main = step.loss(step.logits, step.targets)
        clean, half = step.forward(step.clean), step.forward(step.again(0.5))
        # rows that were mixed in pairs cannot be judged by the clean labels, so unmixed noisy rows are run again
        noisy = step.forward(step.again()) if step.mixed else step.logits
        risks = torch.stack([step.loss(logits, step.clean_targets) for logits in (noisy, half, clean)])
        return (main + weight * risks.var(correction=0)) / max(1.0, weight) - main
