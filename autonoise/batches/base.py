"""What a batch of a data type looks like, and how it is brought into canonical units and back.

One file per data type; found by the data type's name. Canonical units: image 0..1, audio -1..1, series and
numeric columns standardised, text integer ids.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn

from autonoise.batches.mappings import rebuilt
from autonoise.errors import AttachError
from autonoise.ops.buffers import in_blocks
from autonoise.ops.devices import constant
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale, member

log = logging.getLogger("autonoise")


class Form(NamedTuple):
    """What all batches of a training have in common: rank, whether numbers are floats, channels or columns."""

    rank: int
    floats: bool
    fixed: int | None

    def words(self, alike: str) -> str:
        kind = "floats" if self.floats else "integers"
        return f"{self.rank} dimensions, {kind}" + (f" and {self.fixed} {alike}" if self.fixed is not None else "")


class BatchAdapter:
    """Opens a batch (main tensor in canonical units, and what is known of it) and closes it again.

    ``continuous`` is False where mixing and gradients make no sense at the input (token ids); pair and adversarial
    techniques then act at the embedding. ``eight_bit`` is True where 8-bit integers are batches (images).
    """

    data_type: ClassVar[DataType]
    keys: ClassVar[tuple[str, ...]] = ()
    ranks: ClassVar[tuple[int, ...]]
    shape_words: ClassVar[str]
    continuous: ClassVar[bool] = True
    eight_bit: ClassVar[bool] = False
    canonical_scale: ClassVar[Scale] = Scale.STANDARDISED

    def __init__(self) -> None:
        self.told: set[str] = set()
        """What has been checked or told, and need not be again."""

    def main(self, batch: Batch) -> Tensor:
        """The tensor that techniques act on, as the user made it. Raises AttachError when there is none."""
        if isinstance(batch, Tensor):
            return batch
        if isinstance(batch, Mapping):
            for key in self.keys:
                if key in batch:
                    return _tensor(batch, key)
            raise AttachError(
                f"a batch for {self.data_type} policies needs one of the keys {', '.join(self.keys)}, "
                f"but has {', '.join(map(str, batch)) or 'none'}"
            )
        raise AttachError(f"a batch must be a tensor or a dict of tensors, but is a {type(batch).__name__}")

    def replace(self, batch: Batch, main: Tensor) -> Batch:
        """The batch with another main tensor; the given one is not changed."""
        if isinstance(batch, Tensor):
            return main
        key = next(k for k in self.keys if k in batch)
        return rebuilt(batch, {key: main})

    def size(self, batch: Batch) -> int:
        return self.main(batch).shape[0]

    def check(self, batch: Batch, spec: InputSpec, *, explicit: bool) -> InputSpec:
        """Check the first batch against the spec, or (unless ``explicit``) adapt the spec's scale to it.

        Raises AttachError in one line with the remedy.
        """
        x = self.main(batch)
        self.check_shape(x, spec)
        if x.numel() == 0:
            raise AttachError(f"the first batch is empty (shape {tuple(x.shape)}): drop empty batches")
        if self.continuous and not x.is_floating_point() and not (self.eight_bit and x.dtype == torch.uint8):
            raise AttachError(f"a {self.data_type} batch must be floating point, but is {x.dtype}; convert it first")
        if x.is_floating_point() and x.numel() and bool(torch.isinf(x).any()):
            raise AttachError("the first batch holds infinite values; clean the data first")
        return self.fit(batch, spec, explicit=explicit)

    def check_shape(self, x: Tensor, spec: InputSpec) -> None:
        if x.ndim not in self.ranks:
            raise AttachError(
                f"this policy is for {self.data_type} data, batches of shape {self.shape_words}, "
                f"but the first batch has shape {tuple(x.shape)}: attach a policy of the right data type"
            )

    def fixed(self, x: Tensor) -> int | None:
        """The number of channels or columns, which is the same in all batches of a training; None: there are none."""
        return None

    def same_form(self, x: Tensor, first: Form) -> None:
        """Raise AttachError for a batch of another form than the first one of the training; it takes no time."""
        form = self.form_of(x)
        if x.numel() == 0:
            raise AttachError(f"this batch is empty (shape {tuple(x.shape)}): drop empty batches")
        if form != first:
            alike = "channels" if x.ndim > 2 else "columns"
            raise AttachError(
                f"this batch has the shape {tuple(x.shape)} and holds {x.dtype}, but the first batch of this training "
                f"had {first.words(alike)}: all must have the same number of dimensions and {alike}, and the same kind "
                f"of numbers"
            )

    def form_of(self, x: Tensor) -> Form:
        return Form(x.ndim, x.is_floating_point(), self.fixed(x) if x.ndim in self.ranks else None)

    def complete(self, given: InputSpec | None, known: InputSpec | None) -> InputSpec | None:
        """A whole description made of the user's, which says only a part, and the policy's; None where there is nothing
        to complete. What was completed is adapted to the first batch like the policy's own.
        """
        return None

    def for_model(self, model: nn.Module, spec: InputSpec, *, exact: bool) -> InputSpec:
        """The spec, which the user did not write, as far as it fits the model.

        ``exact``: the policy writes values that the spec names (token ids), or acts on each value that it does not
        protect, so that a guess would not do.
        Raises AttachError where the model cannot take what the spec describes.
        """
        return spec

    def fit(self, batch: Batch, spec: InputSpec, *, explicit: bool) -> InputSpec:
        return spec

    def recheck(self, batch: Batch, spec: InputSpec) -> None:
        """Raise AttachError where one of the batches after the first shows that the scale was guessed wrong."""

    def scale_words(self, spec: InputSpec) -> str:
        """The scale of the batches, for :meth:`NoiseInjector.describe` and messages."""
        if spec.scale == Scale.STANDARDISED:
            return "standardised"
        return f"raw (mean {few(spec.mean or (0.0,))}, std {few(spec.std or (1.0,))})"

    def affine(self, x: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor] | None:
        """(factor, shift) with canonical = factor * x + shift, or None when x is canonical already."""
        return None

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        """Main tensor in canonical units, and the :class:`BatchInfo`."""
        x = self.main(batch)
        if x.dtype == torch.uint8:
            x = x.float()
        pair = self.affine(x, spec)
        return (x if pair is None else canonical(x, pair)), BatchInfo(spec=spec)

    def close(self, batch: Batch, x: Tensor, spec: InputSpec) -> Batch:
        """The batch with its main tensor replaced by canonical ``x``, in the units and dtype it came in."""
        original, x = self.main(batch), self._in_own_units(x, spec)
        if original.dtype == torch.uint8:
            x = x.round().clamp(0, 255)
        return self.replace(batch, x.reshape(original.shape).to(original.dtype))

    def close_for_gradient(self, batch: Batch, x: Tensor, spec: InputSpec) -> Batch:
        """As :meth:`close`, but 8-bit integers, through which no gradient flows, become floats from 0 to 255."""
        original, x = self.main(batch), self._in_own_units(x, spec)
        dtype = original.dtype if original.is_floating_point() else x.dtype
        return self.replace(batch, x.reshape(original.shape).to(dtype))

    def _in_own_units(self, x: Tensor, spec: InputSpec) -> Tensor:
        pair = self.affine(x, spec)
        return x if pair is None else (x - pair[1]) / pair[0]

    def join(self, batch: Batch, permutation: Tensor, weight: Tensor) -> Batch:
        """What besides the main tensor must change when rows are mixed in pairs (masks, lengths)."""
        if isinstance(batch, Tensor):
            return batch
        changed = {}
        for key in {"lengths", "attention_mask"}.intersection(batch):
            own = _tensor(batch, key)
            mixed = weight.to(own.device).reshape(-1, *[1] * (own.ndim - 1)) < 1
            changed[key] = torch.where(mixed, torch.maximum(own, own[permutation]), own)
        return rebuilt(batch, changed) if changed else batch

    def code_columns(self, spec: InputSpec, x: Tensor) -> Tensor | None:
        """Bool mask over the last dimension of positions that hold codes and cannot be mixed, or None."""
        return None

    def synthetic(self, spec: InputSpec, size: int, rng: Generator) -> Batch:
        """A made-up batch in canonical units that fits the spec, for ``verify`` and previews."""
        return torch.randn((size, *spec.layout), generator=rng)


def canonical(x: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    """``factor * x + shift``; both must have one row."""
    if pair[0].dtype != x.dtype or x.requires_grad:
        return pair[0] * x + pair[1]
    return in_blocks(lambda x, out, factor, shift: torch.mul(x, factor, out=out).add_(shift), x, *pair)


def entry(batch: Batch, key: str) -> Tensor | None:
    """A tensor of a mapping's by its name; None where there is none. Raises AttachError for what is no tensor."""
    return _tensor(batch, key) if isinstance(batch, Mapping) and key in batch else None


def _tensor(batch: Mapping[str, Tensor], key: str) -> Tensor:
    found: object = batch[key]
    if isinstance(found, Tensor):
        return found
    raise AttachError(
        f"the batch's {key!r} must be a tensor, but is a {type(found).__name__}: convert it first "
        f"(a tokenizer does with return_tensors='pt')"
    )


def few(values: tuple[float, ...]) -> str:
    """The first numbers of a tuple, for messages."""
    return ", ".join(f"{v:.4g}" for v in values[:4]) + (", ..." if len(values) > 4 else "")


def channel_values(values: tuple[float, ...], channels: int, x: Tensor, default: float) -> Tensor:
    """Per-channel constants of shape (channels,); another number of channels gets their mean."""
    if not values:
        values = (default,)
    if len(values) not in (1, channels):
        values = (sum(values) / len(values),)
    out = constant(tuple(values), x.dtype if x.is_floating_point() else torch.float32, x.device)
    return out.expand(channels) if len(values) == 1 else out


def batch_adapter(data_type: DataType | str) -> BatchAdapter:
    """The adapter of a data type; imports only its module."""
    kind = member(DataType, data_type, "data type")
    module = importlib.import_module(f"autonoise.batches.{kind}")
    adapter: BatchAdapter = module.Adapter()
    return adapter


def length_mask(lengths: Tensor | None, length: int) -> Tensor | None:
    """(B, length) bool, True inside each row's length."""
    if lengths is None:
        return None
    return torch.arange(length, device=lengths.device)[None, :] < lengths[:, None]


def step_mask(batch: Batch, x: Tensor, told: set[str]) -> tuple[Tensor | None, Tensor | None]:
    """(true lengths (B,), mask (B, L)) of a dict batch of series or clips x (B, ..., L), None where all is valid.

    From ``lengths``, or from the ``attention_mask`` that Transformers' feature extractors give. Raises AttachError
    for padding on the left: crops, shifts and warps count a row's steps from its beginning. On a GPU, where a look at
    the numbers takes waiting, only the first mask is looked at; ``told`` is the adapter's note of that.
    """
    lengths, mask = entry(batch, "lengths"), entry(batch, "attention_mask")
    if lengths is None and mask is not None and tuple(mask.shape) == (x.shape[0], x.shape[-1]):
        lengths = mask.bool().sum(1)
        inside = length_mask(lengths, x.shape[-1])
        known = mask.device.type != "cpu" and "mask" in told
        if not known and (inside is None or not torch.equal(mask.bool(), inside)):
            raise AttachError(
                "the attention_mask has padding before or between the valid steps: pad on the right "
                "(padding_side='right')"
            )
        told.add("mask")
    return lengths, length_mask(lengths, x.shape[-1])


def standardise(x: Tensor, spec: InputSpec, channels: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor] | None:
    """(factor, shift) from raw to standardised numbers, or None where the spec says they are standardised."""
    if spec.scale == Scale.STANDARDISED:
        return None
    mean = channel_values(spec.mean, channels, x, 0.0)
    std = channel_values(spec.std, channels, x, 1.0)
    return (1 / std).reshape(shape), (-mean / std).reshape(shape)


def known_values(x: Tensor) -> Tensor | None:
    """Bool of x's shape, False where a value is missing (NaN); None where none is, if a look takes no waiting."""
    if x.device.type != "cpu":
        return ~torch.isnan(x)
    # one sum, which is NaN if any value is, is cheaper than a mask
    return ~torch.isnan(x) if math.isnan(x.sum()) and bool(torch.isnan(x).any()) else None
