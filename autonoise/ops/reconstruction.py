"""What an additional head is asked to reconstruct: the input, reduced to a fixed small size."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.ops.devices import constant
from autonoise.ops.masks import movable
from autonoise.types import BatchInfo, DataType

LARGEST = 1024
"""The largest number of values per sample that are reconstructed; it keeps the head, a linear layer, small."""


def target_of(x: Tensor, info: BatchInfo) -> Tensor:
    """Return the canonical input x (B, ...) as (B, D), without gradient; D <= 1024 is the same for every batch.

    - Image: averaged down, and standardised for each channel over the batch.
    - Series: averaged down in time.
    - Table: its columns, with codes standardised over the batch.
    - Audio: the logarithm of the power over time, standardised for each clip.
    - Text: the share of each word among the sample's tokens, with ids counted modulo D. Rows sum to 1, or to 0 if the
      sample has no valid tokens.
    """
    layout, x = info.spec.layout, x.detach()
    kind = info.spec.data_type
    if kind is DataType.TEXT:
        return _bag_of_words(x, info)
    x = torch.nan_to_num(x.float())
    if kind is DataType.TABULAR:
        return _table(x, info)[:, :LARGEST]
    if kind is DataType.AUDIO:
        # one value for 64 samples, 4 ms at 16 kHz; 1e-6 is a power of -60 dB and keeps the logarithm of silence finite
        frames = min(LARGEST, max(1, math.ceil(layout[-1] / 64)))
        envelope = (F.adaptive_avg_pool1d(x.square(), frames) + 1e-6).log()
        return _standardised(envelope, (1,))
    if kind is DataType.TIMESERIES:
        steps = min(layout[-1], max(1, LARGEST // x.shape[1]))
        return F.adaptive_avg_pool1d(x, steps).flatten(1)[:, :LARGEST]
    side = max(1, math.isqrt(LARGEST // x.shape[1]))
    pooled = F.adaptive_avg_pool2d(x, (min(layout[-2], side), min(layout[-1], side)))
    return _standardised(pooled, (0, 2, 3)).flatten(1)[:, :LARGEST]


def _standardised(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return x with mean 0 and variance 1 over ``dims``; 1e-6 avoids a division by zero for constant values."""
    variance, mean = torch.var_mean(x, dims, correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-6).sqrt()


def _table(x: Tensor, info: BatchInfo) -> Tensor:
    """Return the columns of a table, with those that hold codes standardised over the batch."""
    if not info.spec.codes:
        return x
    held = set(info.spec.codes)
    codes = constant(tuple(c in held for c in range(x.shape[1])), torch.bool, x.device)
    return torch.where(codes, _standardised(x, (0,)), x)


def _bag_of_words(ids: Tensor, info: BatchInfo) -> Tensor:
    """Return the share of each word id, modulo the number of columns, among the valid tokens of each sample."""
    size = min(info.spec.vocabulary_size or LARGEST, LARGEST)
    real = movable(ids, info)
    weight = torch.ones(ids.shape, device=ids.device) if real is None else real.expand_as(ids).float()
    bags = torch.zeros(ids.shape[0], size, device=ids.device).scatter_add_(1, ids.long() % size, weight)
    return bags / bags.sum(1, keepdim=True).clamp(min=1)
