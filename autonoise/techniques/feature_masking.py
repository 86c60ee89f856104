from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.tables import choose_features, flag_columns
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"tabular"},
    family=Family.MISSINGNESS,
    reference="Vincent et al. 2008, Extracting and Composing Robust Features with Denoising Autoencoders",
)
class FeatureMasking(InputNoise):
    """Make each feature missing with probability ``strength * fraction``, in each row.

    x: (B, D). A numeric column becomes 0 (its mean), a one-hot group all zero, a code 0; a column that flags
    the feature as missing becomes 1.
    """

    exact: ClassVar[bool] = True
    fraction: float = ranged(0.02, 0.5, default=0.15, unit="features", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        chosen = choose_features(x, self.fraction * strength, rng, info)
        return torch.where(chosen, flag_columns(x, info).to(x.dtype), x)
