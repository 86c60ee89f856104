"""Audio batches (B, T), also (B, 1, T): canonical units are fractions of full scale."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.batches.base import BatchAdapter, canonical, few, log, step_mask
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale

RESAMPLED = 1.5
"""Peak up to which clips in -1..1 may have been brought by resampling, which overshoots."""
QUIET = 0.005
"""Peak of a first batch, as a share of full scale, below which other units are likelier than quiet clips."""


class Adapter(BatchAdapter):
    data_type: ClassVar[DataType] = DataType.AUDIO
    keys: ClassVar[tuple[str, ...]] = ("waveform", "input_values", "audio", "x")
    ranks: ClassVar[tuple[int, ...]] = (2, 3)
    shape_words: ClassVar[str] = "(B, T)"
    canonical_scale: ClassVar[Scale] = Scale.UNIT

    def check_shape(self, x: Tensor, spec: InputSpec) -> None:
        super().check_shape(x, spec)
        if x.ndim == 3 and x.shape[1] != 1:
            raise AttachError(
                f"audio batches must be (B, T) or (B, 1, T), but the first has shape {tuple(x.shape)}: mix the "
                f"channels down, or attach a policy of the right data type"
            )
        if x.shape[-1] < 64:
            raise AttachError(f"audio batches must be waveforms, but the first has shape {tuple(x.shape)}")

    def fit(self, batch: Batch, spec: InputSpec, *, explicit: bool) -> InputSpec:
        x = self.main(batch)
        peak = float(torch.nan_to_num(x).abs().max())
        if explicit:
            if spec.scale == Scale.UNIT and peak > RESAMPLED:
                raise AttachError(
                    f"the input is described as unit, -1 to 1, but the first batch reaches {peak:.3g}: correct scale "
                    f"and std (full scale) in input="
                )
            return spec
        if peak > 100:
            raise AttachError(
                f"waveforms must be in -1..1, but the first batch reaches {peak:.0f}: divide 16-bit samples by 32768"
            )
        if peak <= 1:
            if 0 < peak < QUIET:
                log.warning(
                    "the first waveforms reach only %.2g of full scale: if they are scaled in another way, say so "
                    "in attach(..., input=InputSpec(..., scale='standardised', std=(full scale,)))",
                    peak,
                )
            return replace(spec, scale=Scale.UNIT)
        # a little beyond full scale lie clips that were resampled
        full = 1.0 if peak <= RESAMPLED and not _standardised(x) else peak
        log.warning(
            "waveforms reach %.2f: strengths are applied relative to a full scale of %.2f, where nothing is clipped; "
            "if that is wrong, say scale= and std= (full scale) in attach(..., input=InputSpec(...))",
            peak,
            full,
        )
        return replace(spec, scale=Scale.STANDARDISED, mean=(0.0,), std=(full,))

    def scale_words(self, spec: InputSpec) -> str:
        if spec.scale == Scale.UNIT:
            return "unit (-1 to 1)"
        return f"standardised (full scale {few(spec.std or (1.0,))})"

    def affine(self, x: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor] | None:
        if spec.scale == Scale.UNIT:
            return None
        # the std of a standardised waveform is its full scale
        return x.new_full((1, 1), 1 / (spec.std or (1.0,))[0]), x.new_zeros(1, 1)

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        x = self.main(batch)
        x = x[:, 0] if x.ndim == 3 else x
        pair = self.affine(x, spec)
        if pair is not None:
            x = canonical(x, pair)
        lengths, valid = step_mask(batch, x, self.told)
        # the full scale of other numbers is the peak of the clips one has seen: a later one may go beyond
        bounds = (-1.0, 1.0) if spec.scale == Scale.UNIT else None
        return x, BatchInfo(spec=spec, valid=valid, lengths=lengths, bounds=bounds)

    def synthetic(self, spec: InputSpec, size: int, rng: Generator) -> Batch:
        noise = super().synthetic(spec, size, rng)
        assert isinstance(noise, Tensor)
        return 0.1 * noise


def _standardised(x: Tensor) -> bool:
    """Whether each clip has mean 0 and standard deviation 1, as feature extractors make them."""
    rows = torch.nan_to_num(x).flatten(1).float()
    std = rows.std(1, correction=0)
    return bool((rows.mean(1).abs() < 0.05).all()) and bool(((std - 1).abs() < 0.05).all())
