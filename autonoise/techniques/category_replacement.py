from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.tables import categorical_columns, choose_features, exchange_features, no_categories
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique


@technique(
    data_types={"tabular"},
    family=Family.CATEGORY,
    reference="Yoon et al. 2020, VIME: Extending the Success of Self- and Semi-supervised Learning to Tabular Domain",
)
class CategoryReplacement(InputNoise):
    """Replace each categorical feature, with probability ``strength * fraction``, by that of a random other row.

    x: (B, D), with categories as groups of one-hot columns or as columns of codes. The new category comes from another
    row of the same batch, so frequent categories are drawn frequently, and it may equal the old one. Numeric columns
    never change.
    """

    exact: ClassVar[bool] = True
    needs_other_rows: ClassVar[bool] = True
    fraction: float = ranged(0.02, 0.3, default=0.1, log=True, unit="categorical features", maximum=1.0)

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return no_categories(spec)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        rate = self.fraction * strength
        chosen = choose_features(x, rate, rng, info, among=categorical_columns(x, info))
        return exchange_features(x, chosen, rng, info)
