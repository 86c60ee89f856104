"""One sample, as a data set hands it out (a picture, an array, a tensor, a row), as a batch of one row, and back."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autonoise.batches.base import BatchAdapter
from autonoise.errors import AttachError
from autonoise.types import Batch, DataType, InputSpec, Scale

COLOURS = (1, 3, 4)
"""The numbers of channels by which the axis of the channels is recognised: grey, RGB, RGB with transparency."""
TEXTS = ("text", "sentence")
"""Where a sample that is a mapping may have its text."""
ALPHA = {"LA": 1, "RGBA": 3}
"""Modes of PIL with a channel of transparency, which noise leaves alone, and the number of the channels before it."""
BEYOND = {DataType.IMAGE: 0.05, DataType.AUDIO: 0.5}
"""By how much values may lie outside their range, as a share of full scale: resizing and resampling overshoot."""


@dataclass(frozen=True)
class Sample:
    """A sample as a batch of one row.

    Attributes:
        batch: of one row, as its data type's adapter takes it.
        spec: what this batch looks like.
        back: makes the sample's own kind, dtype and layout of the changed main tensor of the batch.
    """

    batch: Batch
    spec: InputSpec
    back: Callable[[Tensor], Any]


def open_sample(sample: Any, adapter: BatchAdapter, spec: InputSpec, *, explicit: bool) -> Sample:
    """The sample as a batch of one row.

    Args:
        sample: picture (PIL, or an array or tensor with the channels first or last, or without channels), waveform (T,)
            or (1, T), series (C, L) or (L,), row of a table (D,); or a mapping that holds one of these under a name
            that the adapter knows, beside whatever else.
        spec: the description of the batches of the data type.
        explicit: whether the user wrote ``spec``. Otherwise images are 0..255 in bytes and 0..1 in floats, waveforms
            -1..1 (or the range of their integers), series and rows standardised.

    Raises AttachError, in one line with the remedy, for anything else.
    """
    if isinstance(sample, Mapping):
        return _of_mapping(sample, adapter, spec, explicit=explicit)
    x, back = _tensor(sample, adapter)
    if adapter.data_type is DataType.IMAGE:
        x, back = _channels_first(x, back, spec, tensor=isinstance(sample, Tensor))
    if x.ndim + 1 not in adapter.ranks:
        raise AttachError(
            f"a sample for {adapter.data_type} policies is one of a batch of shape {adapter.shape_words}, but this one "
            f"has the shape {tuple(x.shape)}"
        )
    x, back, spec = _scaled(x, back, adapter, spec, explicit=explicit)
    adapter.check_shape(x[None], spec)
    if adapter.data_type is DataType.TABULAR:
        _check_columns(x.shape[0], spec)
    return Sample(x[None], spec, lambda main: back(main.reshape(1, *x.shape)[0]))


def check_range(main: Tensor, adapter: BatchAdapter, bounds: tuple[float, float] | None, words: str) -> None:
    """Raise AttachError where canonical values lie far outside of ``bounds``, so that the scale must be another one."""
    if bounds is None or not main.numel():
        return
    low, high = (float(v) for v in main.aminmax())
    slack = BEYOND.get(adapter.data_type, 0.0)
    if low < bounds[0] - slack or high > bounds[1] + slack:
        raise AttachError(
            f"a sample was taken as {words}, but in units of full scale it goes from {low:.3g} to {high:.3g}: put the "
            f"transform before what normalises the samples, or describe them, "
            f"policy.transform(input=InputSpec(..., scale=..., mean=..., std=...))"
        )


def text_key(sample: Mapping[str, Any]) -> str:
    """The entry of a mapping that holds its text. Raises AttachError where there is none."""
    for name in TEXTS:
        if isinstance(sample.get(name), str):
            return name
    raise AttachError(
        f"a sample for text policies is a string, or has one under {' or '.join(TEXTS)}, but this "
        f"one has {', '.join(map(str, sample)) or 'nothing'}"
    )


def content_key(sample: Any) -> int:
    """A number that depends on the content of a sample alone, for where a pipeline does not say its index."""
    if isinstance(sample, str):
        return zlib.crc32(sample.encode())
    if isinstance(sample, Mapping):
        key = 0
        for value in sample.values():
            if isinstance(value, str):
                key = zlib.crc32(value.encode(), key)
            elif isinstance(value, Tensor | np.ndarray) or _is_picture(value):
                key = zlib.crc32(_bytes(value), key)
        return key
    return zlib.crc32(_bytes(sample))


def _bytes(value: Any) -> bytes:
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous().reshape(-1)
        return value.view(torch.uint8).numpy().tobytes() if value.numel() else b""
    return np.ascontiguousarray(value).tobytes()


def _is_picture(value: Any) -> bool:
    # asked without importing PIL: whoever has a picture has imported it
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def _tensor(sample: Any, adapter: BatchAdapter) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """The numbers of a sample, and how a tensor of the same shape becomes a sample of its kind."""
    if isinstance(sample, Tensor):
        kind = type(sample)
        plain = sample.detach().as_subclass(Tensor)
        return plain, lambda out: out.to(sample.dtype) if kind is Tensor else out.to(sample.dtype).as_subclass(kind)
    if isinstance(sample, np.ndarray) and sample.dtype.kind in "fiub" and sample.ndim:
        # copied: arrays may be read-only or run backwards, which torch refuses
        array = sample.astype(np.int32) if sample.dtype in (np.uint16, np.uint32) else np.array(sample, order="C")
        return torch.from_numpy(array), lambda out: out.numpy().astype(sample.dtype)
    if _is_picture(sample) and adapter.data_type is DataType.IMAGE:
        return _of_picture(sample)
    raise AttachError(
        f"policy.transform() takes one sample, a tensor, an array of numbers"
        f"{' or a PIL image' if adapter.data_type is DataType.IMAGE else ''}, but got a {type(sample).__name__}"
    )


def _of_picture(picture: Any) -> tuple[Tensor, Callable[[Tensor], Any]]:
    if picture.mode not in ("L", "RGB", *ALPHA):
        raise AttachError(f"a PIL image of mode {picture.mode} holds no plain grey or RGB values: convert it first, "
                          f"image.convert('RGB')")  # fmt: skip
    pixels = np.array(picture)
    colours = pixels[..., : ALPHA[picture.mode]] if picture.mode in ALPHA else pixels

    def back(out: Tensor) -> Any:
        values = out.to(torch.uint8).numpy()
        if picture.mode in ALPHA:
            values = np.concatenate([values, pixels[..., ALPHA[picture.mode] :]], axis=-1)
        return sys.modules["PIL.Image"].fromarray(np.ascontiguousarray(values))

    return torch.from_numpy(np.ascontiguousarray(colours)), back


def _channels_first(
    x: Tensor, back: Callable[[Tensor], Any], spec: InputSpec, *, tensor: bool
) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Pixels as (C, H, W). Where both ends could hold the channels, they are first in tensors and last in arrays."""
    if x.ndim == 2:
        return x[None], lambda out: back(out[0])
    if x.ndim != 3:
        return x, back
    known = (*COLOURS, *spec.layout[:1])
    first, last = x.shape[0] in known, x.shape[-1] in known
    if not first and not last:
        raise AttachError(
            f"an image of the shape {tuple(x.shape)} has its channels neither first nor last, as far as can be told: "
            f"pass input=InputSpec(data_type='image', layout=(channels, height, width), ...)"
        )
    if first and (tensor or not last):
        return x, back
    return x.permute(2, 0, 1), lambda out: back(out.permute(1, 2, 0).contiguous())


def _scaled(
    x: Tensor, back: Callable[[Tensor], Any], adapter: BatchAdapter, spec: InputSpec, *, explicit: bool
) -> tuple[Tensor, Callable[[Tensor], Any], InputSpec]:
    """The sample in a dtype that noise can be computed in, and the description of its scale."""
    if x.dtype is torch.uint8 and adapter.eight_bit:
        return x, back, spec if explicit else replace(spec, scale=Scale.BYTE, mean=(), std=())
    if x.is_floating_point():
        wide = x if x.dtype is torch.float64 else x.float()
        if explicit:
            return wide, back, spec
        plain = replace(spec, scale=adapter.canonical_scale)
        return wide, back, replace(plain, mean=(), std=()) if adapter.canonical_scale is Scale.UNIT else plain
    if adapter.data_type is DataType.AUDIO and x.dtype in (torch.int16, torch.int32):
        full = float(torch.iinfo(x.dtype).max) + 1
        wide = x.to(torch.float64) / full
        whole = lambda out: back((out * full).round().clamp(-full, full - 1))  # noqa: E731
        return wide, whole, replace(spec, scale=Scale.UNIT, mean=(), std=())
    if explicit and x.dtype is not torch.bool:
        return x.to(torch.float64), lambda out: back(out.round()), spec
    raise AttachError(
        f"what the numbers of a sample of {str(x.dtype).removeprefix('torch.')} mean cannot be told: convert them to "
        f"float, or describe them, policy.transform(input=InputSpec(..., scale=..., mean=..., std=...))"
    )


def _check_columns(width: int, spec: InputSpec) -> None:
    if spec.layout != (width,):
        raise AttachError(
            f"the rows have {width} columns, and the policy describes "
            f"{spec.layout[0] if spec.layout else 'none'}: say which of them are numbers and which categories, "
            f"policy.transform(input=InputSpec(data_type='tabular', layout=({width},), numeric=..., onehot=..., "
            f"codes=...))"
        )


def _of_mapping(sample: Mapping[str, Any], adapter: BatchAdapter, spec: InputSpec, *, explicit: bool) -> Sample:
    if adapter.data_type is DataType.TABULAR and "categorical" in sample:
        return _of_columns(sample, adapter, spec)
    key = next((k for k in adapter.keys if k in sample), None)
    if key is None:
        raise AttachError(
            f"a sample for {adapter.data_type} policies needs one of the keys {', '.join(adapter.keys)}, but has "
            f"{', '.join(map(str, sample)) or 'none'}"
        )
    inner = open_sample(sample[key], adapter, spec, explicit=explicit)
    return Sample(inner.batch, inner.spec, lambda main: {**sample, key: inner.back(main)})


def _of_columns(sample: Mapping[str, Any], adapter: BatchAdapter, spec: InputSpec) -> Sample:
    """A row of a table as {"numeric": (N,), "categorical": (K,) codes}."""
    parts = {k: _tensor(sample[k], adapter) for k in ("numeric", "categorical") if k in sample}
    batch = {k: x[None] for k, (x, _) in parts.items()}
    _check_columns(adapter.main(batch).shape[1], spec)

    def back(main: Tensor) -> dict[str, Any]:
        changed = adapter.replace(batch, main)
        assert isinstance(changed, Mapping)
        return {**sample, **{k: own(changed[k][0]) for k, (_, own) in parts.items()}}

    return Sample(batch, spec, back)
