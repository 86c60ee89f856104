"""Annealed Gaussian noise on the gradients."""

from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops.random import randn_like
from autonoise.technique import DataType, Family, ranged, stages, technique


@technique(
    data_types=set(DataType),
    family=Family.GRADIENT,
    reference="Neelakantan et al. 2015, Adding gradient noise improves learning for very deep networks",
)
class GradientNoise(stages.GradientNoise):
    """Add g + strength * sigma_t * n, n ~ N(0, 1), sigma_t^2 = eta / (1 + t)^gamma at update t.

    g: any shape. The noise is absolute, as in the paper: beside small gradients it is large.
    """

    eta: float = ranged(0.001, 0.3, default=0.01, log=True, unit="gradient variance", maximum=100.0)
    gamma: float = ranged(0.3, 1.0, default=0.55, maximum=10.0)

    def perturb(self, g: Tensor, *, strength: float, rng: Generator, update: int) -> Tensor:
        sigma: float = (self.eta / (1 + update) ** self.gamma) ** 0.5
        return g + randn_like(g, rng) * (strength * sigma)
