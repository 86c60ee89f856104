from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from autonoise.ops.masks import select
from autonoise.ops.tables import choose_features, flag_columns
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"tabular"},
    family=Family.MISSINGNESS,
    reference="Vincent et al. 2008, Extracting and Composing Robust Features with Denoising Autoencoders",
)
class FeatureMasking(InputNoise):
    """Make each feature of each row missing with probability ``strength * fraction``.

    x: (B, D). The columns of a missing feature become 0: for a numeric column this is the mean, for a one-hot group no
    category, for a code the code 0. The column that flags the feature as missing, if there is one, becomes 1.
    """

    exact: ClassVar[bool] = True
    fraction: float = ranged(0.02, 0.5, default=0.15, unit="features", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        chosen = choose_features(x, self.fraction * strength, rng, info)
        return select(chosen, flag_columns(x, info), x)
