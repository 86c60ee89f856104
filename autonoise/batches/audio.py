"""Audio batches (B, T), also (B, 1, T): canonical units are fractions of full scale."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Generator, Tensor

from autonoise.batches.base import BatchAdapter, log, step_mask
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale


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
        peak = float(self.main(batch).abs().max())
        if explicit or peak <= 1.5:
            return spec
        if peak > 100:
            raise AttachError(
                f"waveforms must be in -1..1, but the first batch reaches {peak:.0f}: divide 16-bit samples by 32768"
            )
        log.info("waveforms reach %.1f; strengths are applied relative to that peak", peak)
        return replace(spec, scale=Scale.STANDARDISED, mean=(0.0,), std=(peak,))

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
            x = pair[0] * x + pair[1]
        lengths, valid = step_mask(batch, x)
        return x, BatchInfo(spec=spec, valid=valid, lengths=lengths, bounds=(-1.0, 1.0))

    def synthetic(self, spec: InputSpec, size: int, rng: Generator) -> Batch:
        noise = super().synthetic(spec, size, rng)
        assert isinstance(noise, Tensor)
        return 0.1 * noise
