"""Look for weights whose surroundings have a low loss too (sharpness-aware minimisation)."""

from __future__ import annotations

from typing import ClassVar

import torch

from autonoise.technique import DataType, Family, StepTechnique, StepView, choice, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.WEIGHT,
    reference="Foret et al. 2021, Sharpness-aware minimization; Kwon et al. 2021, ASAM (kind adaptive)",
)
class SAM(StepTechnique):
    """Use the gradient at w + e instead of at w, where e = strength * rho * g / |g| over all weights together.

    The kind ``adaptive`` uses e = strength * rho * w^2 g / ||w| g|, which does not depend on the scale of the weights;
    its rho must be ten or more times larger. The weights are restored exactly afterwards. Each update costs a second
    pass; a gate such as "every 10th update" makes it nearly free. The default rho of 0.05 is the paper's.
    """

    tags: ClassVar[frozenset[str]] = frozenset({"second_gradient"})
    conflicts: ClassVar[frozenset[str]] = frozenset({"second_gradient"})

    rho: float = ranged(0.01, 0.5, default=0.05, log=True, unit="norm of the weights' change", maximum=10.0)
    kind: str = choice("plain", "adaptive")

    @property
    def passes(self) -> float:
        return 2.0

    def after_backward(self, step: StepView) -> None:
        weights = [p for p in step.parameters() if p.grad is not None]
        if not weights:
            return
        with torch.no_grad():
            gradients = [p.grad for p in weights if p.grad is not None]
            if self.kind == "adaptive":
                scaled = [p.abs() * g for p, g in zip(weights, gradients, strict=True)]
                norm = torch.nn.utils.get_total_norm(scaled)
                ascent = [p.abs() * s for p, s in zip(weights, scaled, strict=True)]
            else:
                norm = torch.nn.utils.get_total_norm(gradients)
                ascent = gradients
            # 1e-12 avoids a division by zero where all gradients are 0
            size = step.strength * self.rho / (norm + 1e-12)
            clean = [p.clone() for p in weights]
            for p, e in zip(weights, ascent, strict=True):
                p.add_((e * size.to(e.device)).to(p.dtype))
        try:
            step.backward_again()
        finally:
            with torch.no_grad():
                for p, original in zip(weights, clean, strict=True):
                    p.copy_(original)
