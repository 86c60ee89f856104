"""Rows of a batch, whatever its form: how many there are, some of them, all on another device."""

from __future__ import annotations

import torch
from torch import Tensor

from autonoise.batches.mappings import mapped, tensors_of
from autonoise.types import Batch


def select(batch: Batch, index: Tensor) -> Batch:
    """The rows at the given positions, in that order, as a batch of the same form."""
    return mapped(batch, lambda t: t[index.to(t.device)])


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The batch with all of its tensors on a device."""
    return mapped(batch, lambda t: t.to(device))


def rows_in(batch: Batch) -> int:
    """How many rows the batch has."""
    return tensors_of(batch)[0].shape[0]
