"""Add Gaussian noise to the gradients, less and less as training goes on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
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
        return g + randn_like(g, rng) * (strength * self.sigma(update))

    def perturb_all(
        self, gradients: Sequence[Tensor], *, strength: float, rng: Generator, update: int
    ) -> Sequence[Tensor]:
        """Return what :meth:`perturb` makes of each gradient (float32, all on one device), with fewer operations.

        The injector asks for this on a GPU, where each operation costs the time to ask for it.
        """
        noise = torch.randn(sum(g.numel() for g in gradients), generator=rng, device=gradients[0].device)
        noise.mul_(strength * self.sigma(update))
        parts = torch.split(noise, [g.numel() for g in gradients])
        # laid out in memory as the gradient is, which is then added to in one operation for all
        shaped = [
            n.as_strided(g.shape, g.stride(), n.storage_offset()) if _dense(g) else n.view(g.shape)
            for g, n in zip(gradients, parts, strict=True)
        ]
        return torch._foreach_add(list(gradients), shaped)

    def sigma(self, update: int) -> float:
        """Return the standard deviation of the noise in an update, at strength 1."""
        return float((self.eta / (1 + update) ** self.gamma) ** 0.5)


def _dense(g: Tensor) -> bool:
    """Whether the values of g lie in memory without gaps, in one of the usual two orders."""
    return g.is_contiguous() or (g.ndim == 4 and g.is_contiguous(memory_format=torch.channels_last))
