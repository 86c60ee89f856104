"""Image batches (B, C, H, W): canonical units are 0..1."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.batches.base import BatchAdapter, channel_values, log
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale

_USUAL = (((0.5,), (0.5,)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
"""Normalisations that much training code uses: to -1..1, and ImageNet's."""


class Adapter(BatchAdapter):
    data_type: ClassVar[DataType] = DataType.IMAGE
    keys: ClassVar[tuple[str, ...]] = ("pixel_values", "image", "images", "x")
    ranks: ClassVar[tuple[int, ...]] = (4,)
    shape_words: ClassVar[str] = "(B, C, H, W)"
    canonical_scale: ClassVar[Scale] = Scale.UNIT

    def check_shape(self, x: Tensor, spec: InputSpec) -> None:
        super().check_shape(x, spec)
        if x.shape[1] not in (1, 3) and x.shape[-1] in (1, 3):
            raise AttachError(
                f"the first batch has shape {tuple(x.shape)}, channels last; "
                f"this policy needs (B, C, H, W): use x.permute(0, 3, 1, 2)"
            )

    def fit(self, batch: Batch, spec: InputSpec, *, explicit: bool) -> InputSpec:
        x = self.main(batch)
        low, high = float(x.min()), float(x.max())
        if explicit:
            bounds = self._limits(x, spec)
            if not bounds[0] <= low <= high <= bounds[1]:
                raise AttachError(
                    f"the input is described as {spec.scale}, values {bounds[0]:.3g} to {bounds[1]:.3g}, but the "
                    f"first batch goes from {low:.3g} to {high:.3g}: correct scale, mean and std in input="
                )
            return spec
        chosen = self._guess(x, spec, low, high)
        if chosen.scale != spec.scale:
            log.info("image batches look %s; strengths are applied in that scale", chosen.scale)
        return chosen

    def _guess(self, x: Tensor, spec: InputSpec, low: float, high: float) -> InputSpec:
        if x.dtype == torch.uint8 or (low >= 0 and 2 < high <= 255):
            return replace(spec, scale=Scale.BYTE)
        if low >= -0.001 and high <= 1.001:
            return replace(spec, scale=Scale.UNIT)
        for mean, std in ((spec.mean, spec.std), *_USUAL):
            candidate = replace(spec, scale=Scale.STANDARDISED, mean=mean, std=std)
            limits = self._limits(x, candidate)
            if mean and limits[0] <= low and high <= limits[1]:
                return candidate
        raise AttachError(
            f"the first batch goes from {low:.3g} to {high:.3g}, which fits neither 0..1, 0..255 nor the usual "
            f"normalisations: say which mean and std you use, policy.attach(..., input=replace(policy.input, "
            f"scale='standardised', mean=(...), std=(...)))"
        )

    def _limits(self, x: Tensor, spec: InputSpec) -> tuple[float, float]:
        pair = self.affine(x[:1].float(), spec)
        if pair is None:
            return -0.01, 1.01
        low, high = ((0 - pair[1]) / pair[0]).min(), ((1 - pair[1]) / pair[0]).max()
        slack = 0.01 * float(high - low)
        return float(low) - slack, float(high) + slack

    def affine(self, x: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor] | None:
        if spec.scale == Scale.UNIT:
            return None
        if spec.scale == Scale.BYTE:
            return x.new_full((1, 1, 1, 1), 1 / 255), x.new_zeros(1, 1, 1, 1)
        channels = x.shape[1]
        std = channel_values(spec.std, channels, x, 1.0).reshape(1, -1, 1, 1)
        return std, channel_values(spec.mean, channels, x, 0.0).reshape(1, -1, 1, 1)

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        x, _ = super().open(batch, spec)
        return x, BatchInfo(spec=spec, bounds=(0.0, 1.0))

    def synthetic(self, spec: InputSpec, size: int, rng: Generator) -> Batch:
        return torch.rand((size, *spec.layout), generator=rng)
