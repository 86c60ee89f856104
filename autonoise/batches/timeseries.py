"""Series batches (B, C, L), univariate ones also (B, L): canonical units are training standard deviations."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from autonoise.batches.base import BatchAdapter, few, known_values, log, standardise, step_mask
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale


class Adapter(BatchAdapter):
    data_type: ClassVar[DataType] = DataType.TIMESERIES
    keys: ClassVar[tuple[str, ...]] = ("series", "past_values", "x")
    ranks: ClassVar[tuple[int, ...]] = (2, 3)
    shape_words: ClassVar[str] = "(B, C, L)"

    def check_shape(self, x: Tensor, spec: InputSpec) -> None:
        super().check_shape(x, spec)
        channels = spec.layout[0] if len(spec.layout) == 2 else None
        if x.ndim == 3 and channels is not None and x.shape[1] != channels == x.shape[2]:
            raise AttachError(
                f"the first batch has shape {tuple(x.shape)}, channels last; this policy needs (B, C, L) with "
                f"{channels} channels: use x.transpose(1, 2)"
            )

    def fixed(self, x: Tensor) -> int | None:
        return x.shape[1] if x.ndim == 3 else None

    def fit(self, batch: Batch, spec: InputSpec, *, explicit: bool) -> InputSpec:
        if explicit:
            return spec
        x = self._three(self.main(batch)).float()
        if plausible(x, (0, 2)):
            return replace(spec, scale=Scale.STANDARDISED)
        raw = replace(spec, scale=Scale.UNIT)
        if spec.std and len(spec.std) in (1, x.shape[1]):
            pair = self.affine(x, raw)
            if pair is not None and plausible(x * pair[0] + pair[1], (0, 2)):
                log.warning("series look raw; strengths are applied in the searched data's standard deviations")
                return raw
        mean, std = moments(x, (0, 2))
        log.warning(
            "series are not standardised (first batch: mean %s, std %s); strengths are applied in those standard "
            "deviations; say scale=, mean= and std= in attach(..., input=InputSpec(...)) where you know them",
            few(mean),
            few(std),
        )
        return replace(raw, mean=mean, std=std)

    def affine(self, x: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor] | None:
        channels = x.shape[1]
        return standardise(x, spec, channels, (1, channels, 1))

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        x = self._three(self.main(batch))
        pair = self.affine(x, spec)
        if pair is not None:
            x = pair[0] * x + pair[1]
        lengths, valid = step_mask(batch, x, self.told)
        mask = valid[:, None, :] if valid is not None else None
        known = known_values(x)
        if known is not None:
            mask = known if mask is None else mask & known
        return x, BatchInfo(spec=spec, valid=mask, lengths=lengths)

    @staticmethod
    def _three(x: Tensor) -> Tensor:
        return x[:, None, :] if x.ndim == 2 else x


ENOUGH = 32
"""A batch of so many rows shows whether its numbers are standardised or lie in 0..1 (standard deviation about 0.29)."""


def plausible(x: Tensor, dims: tuple[int, ...]) -> bool:
    """Whether numbers look standardised: over the channels, the median standard deviation is within 2/3..3/2.

    The median size of the means must be at most 1. Few rows tell the spread badly: of fewer than 32 the limits are
    0.2..5 and 3.
    """
    mean, std = moments(x, dims)
    stds, means = torch.tensor(std), torch.tensor(mean)
    low, high, off = (2 / 3, 3 / 2, 1.0) if x.shape[0] >= ENOUGH else (0.2, 5.0, 3.0)
    return bool(low <= stds.median() <= high) and bool(means.abs().median() <= off)


def moments(x: Tensor, dims: tuple[int, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(means, standard deviations) over ``dims``, without missing values; a standard deviation of 0 becomes 1."""
    known = ~torch.isnan(x)
    filled = torch.where(known, x, torch.zeros_like(x))
    n = known.sum(dims).clamp_min(1)
    mean = filled.sum(dims) / n
    std = ((filled**2).sum(dims) / n - mean**2).clamp_min(0).sqrt()
    std = torch.where(std > 1e-12, std, torch.ones_like(std))
    return tuple(mean.tolist()), tuple(std.tolist())
