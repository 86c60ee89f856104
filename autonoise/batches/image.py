"""Image batches (B, C, H, W): canonical units are 0..1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.batches.base import BatchAdapter, channel_values, few, log
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale

_USUAL = (((0.5,), (0.5,)), ((0.5,), (1.0,)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
"""Normalisations that much training code uses: to -1..1, to -.5...5, and ImageNet's."""
_LARGEST = (1023, 4095, 16383, 65535)
"""Largest values of pixels of 10, 12, 14 and 16 bits."""
_LEVELS = (15, 16)
"""Largest values of pixels of 4 bits, and of counts over 4x4 blocks (scikit-learn's digits)."""
OVERSHOOT = 0.05
"""Pixels may lie beyond their range by this share of it: smooth resizing overshoots at edges."""
FITS = 0.85
"""A batch is taken to be normalised in a certain way only if it fills this share of the range that this would give."""
DARK = 0.25
"""The share of 0..1 that a batch must fill to be taken as 0..1; of 0..255 it must fill twice as much.

Less than for normalisations is enough, since no other usual scale looks like these.
"""
TIE = 0.03
"""If a batch fills two ranges by shares that differ by less than this, it cannot be told which of them is right."""
ALIKE = 1.05
"""Where the larger of two ranges is at most 1.05 times the smaller, it does not matter which of them is taken."""
CONFIRMED = 0.9
"""A batch that fills this share of the range in the policy's own description confirms it; nothing was guessed then."""


@dataclass(frozen=True)
class _Candidate:
    spec: InputSpec
    fit: float
    """The share of 0..1 that the batch fills under this description, minus what lies beyond 0..1; at best 1."""
    inside: bool
    factor: float
    """What a step of 1 in the batch's own numbers is in 0..1, as a mean over the channels."""


class Adapter(BatchAdapter):
    data_type: ClassVar[DataType] = DataType.IMAGE
    keys: ClassVar[tuple[str, ...]] = ("pixel_values", "image", "images", "x")
    ranks: ClassVar[tuple[int, ...]] = (4,)
    shape_words: ClassVar[str] = "(B, C, H, W)"
    eight_bit: ClassVar[bool] = True
    canonical_scale: ClassVar[Scale] = Scale.UNIT

    def check_shape(self, x: Tensor, spec: InputSpec) -> None:
        super().check_shape(x, spec)
        if x.shape[1] not in (1, 3) and x.shape[-1] in (1, 3):
            raise AttachError(
                f"the first batch has shape {tuple(x.shape)}, channels last; "
                f"this policy needs (B, C, H, W): use x.permute(0, 3, 1, 2)"
            )

    def fixed(self, x: Tensor) -> int | None:
        return x.shape[1]

    def fit(self, batch: Batch, spec: InputSpec, *, explicit: bool) -> InputSpec:
        x = self.main(batch)
        if explicit:
            self._check_described(x, spec)
            return spec
        chosen = self._guess(x, spec)
        if chosen.spec == spec and chosen.fit >= CONFIRMED:
            return spec
        log.warning(
            "the images of the first batch go from %.3g to %.3g: taken as %s; if they are not, say scale=, mean= and "
            "std= in attach(..., input=InputSpec(...))",
            *_ends(x),
            self.scale_words(chosen.spec),
        )
        return chosen.spec

    def recheck(self, batch: Batch, spec: InputSpec) -> None:
        """Raise AttachError where a later batch shows that the scale was guessed wrong."""
        if not self._candidate(self.main(batch), spec).inside:
            low, high = _ends(self.main(batch))
            raise AttachError(
                f"a batch goes from {low:.3g} to {high:.3g}, but the first one looked like {self.scale_words(spec)}: "
                f"say scale=, mean= and std= in attach(..., input=InputSpec(...))"
            )

    def _check_described(self, x: Tensor, spec: InputSpec) -> None:
        bounds, (low, high) = self._limits(x, spec), _ends(x)
        if not bounds[0] <= low <= high <= bounds[1]:
            raise AttachError(
                f"the input is described as {spec.scale}, values {bounds[0]:.3g} to {bounds[1]:.3g}, but the "
                f"first batch goes from {low:.3g} to {high:.3g}: correct scale, mean and std in input="
            )
        if high - low < 0.1 * (bounds[1] - bounds[0]):
            log.warning(
                "the input is described as %s, values %.3g to %.3g, but the first batch goes only from %.3g to %.3g: "
                "if that is not a dark or flat batch, correct scale, mean and std in input=",
                spec.scale,
                *bounds,
                low,
                high,
            )

    def _guess(self, x: Tensor, spec: InputSpec) -> _Candidate:
        low, high = _ends(x)
        if x.dtype == torch.uint8:
            if high <= max(_LEVELS):
                raise AttachError(
                    f"the first batch holds 8-bit integers of at most {high:.0f}: if that is nearly the largest there "
                    f"is, use x.float() (small noise is rounded away in integers); if the batch is merely dark, say "
                    f"scale='byte' in attach(..., input=InputSpec(...))"
                )
            return self._candidate(x, replace(spec, scale=Scale.BYTE))
        if low >= 0 and high in _LEVELS and bool((x == x.round()).all()):
            return self._candidate(x, _up_to(high, spec))
        least = {Scale.UNIT: DARK, Scale.BYTE: 2 * DARK}
        known = [self._candidate(x, s) for s in self._possible(spec, x.shape[1], low)]
        known = [c for c in known if c.inside and c.fit >= least.get(c.spec.scale, FITS)]
        known.sort(key=lambda c: -c.fit)  # of equals the policy's own stays first
        problem = "fits neither 0..1, 0..255, -1..1, -0.5..0.5, ImageNet's nor the policy's normalisation well"
        if known and all(known[0].fit - c.fit >= TIE or _alike(known[0], c) for c in known):
            return known[0]
        if known:
            problem = f"fits {self.scale_words(known[0].spec)} and {self.scale_words(known[1].spec)} about equally"
        raise AttachError(
            f"the first batch goes from {low:.3g} to {high:.3g}, which {problem}: say scale=, or say which mean and "
            f"std you use, attach(..., input=InputSpec(data_type='image', layout={tuple(x.shape[1:])}, "
            f"scale='standardised', mean=(...), std=(...)))"
        )

    @staticmethod
    def _possible(spec: InputSpec, channels: int, low: float) -> list[InputSpec]:
        """All descriptions that the images may have, with the policy's own normalisation first."""
        own = ((spec.mean, spec.std),) if spec.mean and {len(spec.mean), len(spec.std)} <= {1, channels} else ()
        scaled = [replace(spec, scale=Scale.STANDARDISED, mean=m, std=s) for m, s in (*own, *_USUAL)]
        wide = [_up_to(n, spec) for n in _LARGEST] if low >= 0 else []
        return [*scaled, replace(spec, scale=Scale.UNIT), replace(spec, scale=Scale.BYTE), *wide]

    def _candidate(self, x: Tensor, spec: InputSpec) -> _Candidate:
        ends = torch.stack([x.amin((0, 2, 3)), x.amax((0, 2, 3))]).float()[..., None, None]
        pair = self.affine(ends, spec)
        canonical = ends if pair is None else pair[0] * ends + pair[1]
        low, high = float(canonical[0].min()), float(canonical[1].max())
        inside = low >= -OVERSHOOT and high <= 1 + OVERSHOOT
        factor = 1.0 if pair is None else float(pair[0].mean())
        return _Candidate(spec, 1 - abs(low) - abs(1 - high), inside, factor)

    def _limits(self, x: Tensor, spec: InputSpec) -> tuple[float, float]:
        pair = self.affine(x[:1].float(), spec)
        if pair is None:
            return -0.01, 1.01
        low, high = ((0 - pair[1]) / pair[0]).min(), ((1 - pair[1]) / pair[0]).max()
        slack = 0.01 * float(high - low)
        return float(low) - slack, float(high) + slack

    def scale_words(self, spec: InputSpec) -> str:
        if spec.scale == Scale.UNIT:
            return "unit (0 to 1)"
        if spec.scale == Scale.BYTE:
            return "byte (0 to 255)"
        if spec.mean == (0.0,) and len(spec.std) == 1:
            return f"standardised (0 to {1 / spec.std[0]:.5g})"
        return f"standardised (mean {few(spec.mean or (0.0,))}, std {few(spec.std or (1.0,))})"

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


def _ends(x: Tensor) -> tuple[float, float]:
    return float(x.min()), float(x.max())


def _up_to(largest: float, spec: InputSpec) -> InputSpec:
    """The description of pixels that go from 0 (black) to ``largest`` (white)."""
    return replace(spec, scale=Scale.STANDARDISED, mean=(0.0,), std=(1 / largest,))


def _alike(a: _Candidate, b: _Candidate) -> bool:
    return max(a.factor, b.factor) <= ALIKE * min(a.factor, b.factor)
