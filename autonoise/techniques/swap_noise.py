from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.tables import choose_features, exchange_features
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"tabular"},
    family=Family.VALUE_SWAP,
    reference="Bahri et al. 2022, SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption",
)
class SwapNoise(InputNoise):
    """Replace each feature, with probability ``strength * fraction``, by that of another row of the batch.

    x: (B, D). Each replaced feature comes from a row of its own, so that its values are as frequent as in the data. The
    columns of a one-hot group, and a feature and its missing flag, are replaced together. A batch of one row does not
    change.
    """

    exact: ClassVar[bool] = True
    needs_other_rows: ClassVar[bool] = True
    fraction: float = ranged(0.05, 0.6, default=0.15, log=True, unit="features", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        chosen = choose_features(x, self.fraction * strength, rng, info)
        return exchange_features(x, chosen, rng, info)
