"""Rows of a batch, whatever its form: how many there are, some of them, all on another device."""

from __future__ import annotations

from torch import Tensor

from autonoise.batches.mappings import mapped, tensors_of
from autonoise.types import Batch


def select(batch: Batch, index: Tensor) -> Batch:
    """Rows of a batch."""
    return mapped(batch, lambda t: t[index.to(t.device)])


def to_device(batch: Batch, device: str) -> Batch:
    return mapped(batch, lambda t: t.to(device))


def rows_in(batch: Batch) -> int:
    return tensors_of(batch)[0].shape[0]
