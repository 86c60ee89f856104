"""Add Gaussian noise to the gradients, less and less as training goes on."""

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
    """Add noise to each gradient: g + strength * sigma_t * n, n ~ N(0, 1), sigma_t^2 = eta / (1 + t)^gamma.

    g has any shape, and t counts the optimiser's updates from 0. As in the paper the noise does not depend on the size
    of the gradient, so it is large beside a small one. The default gamma of 0.55 is the paper's.
    """

    eta: float = ranged(0.001, 0.3, default=0.01, log=True, unit="gradient variance", maximum=100.0)
    gamma: float = ranged(0.3, 1.0, default=0.55, maximum=10.0)

    def perturb(self, g: Tensor, *, strength: float, rng: Generator, update: int) -> Tensor:
        sigma: float = (self.eta / (1 + update) ** self.gamma) ** 0.5
        return g + randn_like(g, rng) * (strength * sigma)
