from __future__ import annotations

from torch import Generator, Tensor

from autonoise.ops.masks import movable
from autonoise.ops.precision import widen
from autonoise.ops.random import randint, randn
from autonoise.ops.tables import no_numbers
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique, whole


@technique(
    data_types={"tabular"},
    family=Family.SHIFT,
    reference="Johnson, Li & Rabinovic 2007, Adjusting batch effects in microarray expression data using empirical "
    "Bayes methods (additive batch effects)",
)
class ColumnShift(InputNoise):
    """Shift each numeric column by one amount for all rows of a group: x + strength * sigma * n, n ~ N(0, 1).

    The rows of a batch are dealt at random to ``groups`` groups, as if each came from a site, a device or a month with
    its own offsets. x: (B, D), numeric columns standardised; categories, flags and missing values do not change.
    """

    sigma: float = ranged(0.05, 1.5, default=0.5, log=True, unit="standard deviations", maximum=20.0)
    groups: int = whole(1, 16, default=8, maximum=1000)

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return no_numbers(spec)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        offsets = randn((self.groups, x.shape[1]), rng, wide)
        shift = offsets[randint(self.groups, (len(x),), rng, x)] * (self.sigma * strength)
        mask = movable(x, info)
        return (wide + (shift if mask is None else shift * mask)).to(x.dtype)
