"""Add white Gaussian noise to the input."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import clip_, in_blocks
from autonoise.ops.masks import numeric_columns
from autonoise.ops.random import randn_like
from autonoise.ops.tables import no_numbers
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique


@technique(
    data_types={"image", "tabular", "timeseries", "audio"},
    family=Family.INDEPENDENT,
    reference="Bishop 1995, Training with noise is equivalent to Tikhonov regularization",
)
class GaussianNoise(InputNoise):
    """Add white Gaussian noise to the input: x + strength * std * n, n ~ N(0, 1).

    x: (B, ...) in canonical units, so std is a fraction of the full range (image, audio) or of the training data's
    standard deviation (table, series). In tables only numeric columns change, never codes, one-hot columns or missing
    flags.
    """

    exact: ClassVar[bool] = True
    keeps_bounds: ClassVar[bool] = True
    std: float = ranged(0.01, 0.5, default=0.1, log=True, unit="input scale", maximum=10.0)

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return no_numbers(spec)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        noise = randn_like(x, rng)
        columns = numeric_columns(x, info)
        if columns is not None:
            noise = noise * columns

        def change(x: Tensor, out: Tensor, std: Tensor, noise: Tensor) -> None:
            clip_(torch.addcmul(x, std, noise, out=out), info.bounds)

        return in_blocks(change, x, strength * self.std, noise)
