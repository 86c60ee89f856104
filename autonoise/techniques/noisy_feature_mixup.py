"""Mix hidden features of pairs of samples and add noise to them."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import movable, rms
from autonoise.ops.random import beta, permutation, rand, rand_like, randn_like
from autonoise.technique import BatchInfo, DataType, Family, PairNoise, PairPlan, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.MIXING,
    also={Family.FEATURE},
    reference="Lim et al. 2022, Noisy feature mixup",
)
class NoisyFeatureMixup(PairNoise):
    """Mix features, z = mix(x), and add noise: z (1 + m u) + a RMS(x) n, u ~ U(-1, 1), n ~ N(0, 1).

    This happens at one layer in each batch; x: (B, ...) are its activations. They are mixed as in the technique mixup,
    with l ~ Beta(alpha, alpha). m = strength * multiplicative * b1 and a = strength * additive * b2, with b1 and b2
    drawn from Beta(2, 5) (mean 0.29) once for each batch, as in the authors' code. That code adds noise of a fixed size
    instead; after a normalisation layer, where the RMS is near 1, this makes little difference.

    Padding, codes, one-hot columns and missing flags get no noise.
    """

    version = 2
    changes: ClassVar[str] = (
        "both noises are multiplied by a draw of Beta(2, 5) for each batch and the multiplicative one is uniform, "
        "which makes them 9 and 28 times weaker in power"
    )

    exact: ClassVar[bool] = True
    default_site: ClassVar[str] = "after_norm"

    alpha: float = ranged(0.05, 1.0, default=1.0, log=True, minimum=0.001, maximum=100.0)
    additive: float = ranged(0.05, 1.0, default=0.4, log=True, unit="RMS of the activation", maximum=10.0)
    multiplicative: float = ranged(0.05, 1.0, default=0.2, log=True, unit="fraction", maximum=10.0)

    def plan(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> PairPlan:
        size = x.shape[0]
        share = beta(self.alpha, size, rng, x)
        weight = 1 - strength.float().clamp(0, 1) * torch.minimum(share, 1 - share)
        # the second smallest of six uniform numbers has the distribution Beta(2, 5)
        levels = rand((2, 6), rng, strength).sort(dim=1).values[:, 1]
        return PairPlan(permutation(size, rng, x), weight, {"strength": strength, "levels": levels})

    def mix(self, x: Tensor, plan: PairPlan, *, rng: Generator, info: BatchInfo) -> Tensor:
        mixed = super().mix(x, plan, rng=rng, info=info)
        rows = (-1, *[1] * (x.ndim - 1))
        strength, mask = plan.extra["strength"].to(x.dtype).reshape(rows), movable(x, info)
        size = rms(x, mask)
        if mask is not None and mask.ndim == x.ndim:
            mask = mask | (mask[plan.permutation] & (plan.weight < 1).reshape(rows))
        multiply, add = plan.extra["levels"].to(x.dtype)
        # one product with the mixed rows and one sum, so that the backward pass has little to do
        factor = rand_like(x, rng).mul_(2).sub_(1).mul_(strength * multiply * self.multiplicative)
        shift = randn_like(x, rng) * (strength * add * self.additive * size)
        if mask is not None:
            factor, shift = factor.mul_(mask), shift.mul_(mask)
        return torch.addcmul(shift, mixed, factor.add_(1))
