"""Time-series proxies on (B, C, L) or {"series", "lengths"}: FCN, and a small InceptionTime to check with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import DataError
from autonoise.proxies.layers import apply_mask, halved, masked_mean, scaled, unpack, valid_steps
from autonoise.types import Batch, InputSpec

LONG_SERIES = 512
"""Steps; longer series are read with stride 2 in the first two layers, which saves most of the time."""


def _channels(spec: InputSpec) -> int:
    if len(spec.layout) != 2 or min(spec.layout) < 1:
        raise DataError(f"time-series proxies need a layout (C, L), but got {spec.layout}: add the channel dimension")
    return spec.layout[0]


class FCN(nn.Module):
    """Three layers relu(norm(conv(x))), the mean over the true steps, a linear ``classifier`` (Wang 2017).

    Input (B, C, L), standardised, or a dict with ``series`` and ``lengths`` (B,); logits (B, classes). Series of
    more than 512 steps are read with stride 2 in the first two layers. Padding does not change the logits.
    """

    def __init__(self, spec: InputSpec, *, widths: tuple[int, ...], kernels: tuple[int, ...] = (7, 5, 3)) -> None:
        super().__init__()
        sizes = (_channels(spec), *widths)
        stride = 2 if spec.layout[1] > LONG_SERIES else 1
        self.strides = (stride, stride, 1)
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, kernel, stride, kernel // 2, bias=False)
            for (a, b), kernel, stride in zip(pairwise(sizes), kernels, self.strides, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths)
        self.classifier = nn.Linear(widths[-1], spec.classes)

    def forward(self, batch: Batch) -> Tensor:
        x, lengths = unpack(batch, "series")
        mask = valid_steps(lengths, x)
        x = apply_mask(x, mask)
        for conv, norm, stride in zip(self.convs, self.norms, self.strides, strict=True):
            x = F.relu(norm(conv(x)))
            lengths = halved(lengths, stride)
            mask = valid_steps(lengths, x)
            x = apply_mask(x, mask)
        logits: Tensor = self.classifier(masked_mean(x, mask))
        return logits


class InceptionModule(nn.Module):
    """A bottleneck, then convolutions of three lengths beside a max-pooled branch (Ismail Fawaz 2020)."""

    def __init__(self, inputs: int, filters: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(inputs, filters, 1, bias=False)
        self.convs = nn.ModuleList(nn.Conv1d(filters, filters, k, padding=k // 2, bias=False) for k in kernels)
        self.pooled = nn.Conv1d(inputs, filters, 1, bias=False)
        self.norm = nn.BatchNorm1d(filters * (len(kernels) + 1))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        narrow = self.bottleneck(x)
        # Padding must lose every maximum, yet not reach the convolution, where it would overflow.
        highest = x if mask is None else x.masked_fill(mask == 0, torch.finfo(x.dtype).min)
        highest = apply_mask(F.max_pool1d(highest, 3, 1, 1), mask)
        out = torch.cat([*(conv(narrow) for conv in self.convs), self.pooled(highest)], 1)
        return apply_mask(self.norm(out), mask)


class InceptionTime(nn.Module):
    """Three Inception modules inside a shortcut, masked mean, ``classifier`` (Ismail Fawaz 2020)."""

    def __init__(self, spec: InputSpec, *, filters: int, kernels: tuple[int, ...] = (9, 19, 39)) -> None:
        super().__init__()
        inputs, width = _channels(spec), filters * (len(kernels) + 1)
        self.inception = nn.ModuleList(InceptionModule(size, filters, kernels) for size in (inputs, width, width))
        self.shortcut = nn.Sequential(nn.Conv1d(inputs, width, 1, bias=False), nn.BatchNorm1d(width))
        self.classifier = nn.Linear(width, spec.classes)

    def forward(self, batch: Batch) -> Tensor:
        series, lengths = unpack(batch, "series")
        mask = valid_steps(lengths, series)
        series = apply_mask(series, mask)
        first, second, third = self.inception
        x = F.relu(second(F.relu(first(series, mask)), mask))
        x = F.relu(third(x, mask) + apply_mask(self.shortcut(series), mask))
        logits: Tensor = self.classifier(masked_mean(x, mask))
        return logits


def fcn(spec: InputSpec, size: float) -> nn.Module:
    """FCN with 32, 64 and 32 filters."""
    return FCN(spec, widths=(scaled(32, size), scaled(64, size), scaled(32, size)))


def inception_time(spec: InputSpec, size: float) -> nn.Module:
    """InceptionTime with three modules of 4 x 8 filters."""
    return InceptionTime(spec, filters=scaled(8, size))


PROXIES: dict[str, Callable[[InputSpec, float], nn.Module]] = {"fcn": fcn, "inception_time": inception_time}
