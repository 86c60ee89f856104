from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.masks import numeric_columns
from autonoise.ops.random import randn_like
from autonoise.ops.tables import no_numbers
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique


@technique(
    data_types={"tabular"},
    family=Family.GAIN,
    reference="Um et al. 2017, Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring",
)
class FeatureScaling(InputNoise):
    """Multiply each numeric value by a random factor: x * (1 + strength * sigma * n), n ~ N(0, 1).

    x: (B, D). Each row and column draws its own n. As columns are standardised, it is the distance from the column's
    mean that is scaled. Categories and missing flags do not change.
    """

    exact: ClassVar[bool] = True
    sigma: float = ranged(0.02, 0.5, default=0.1, log=True, unit="relative", maximum=5.0)

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return no_numbers(spec)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        noise = randn_like(x, rng)
        columns = numeric_columns(x, info)
        if columns is not None:
            noise = noise * columns
        return x * (1 + strength.to(x.dtype) * self.sigma * noise)
