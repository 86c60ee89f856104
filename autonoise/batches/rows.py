"""Rows of a batch, whatever its form: how many there are, some of them, all on another device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autonoise.batches.mappings import mapped, rebuilt, tensors_of
from autonoise.types import Batch, BatchInfo


def select(batch: Batch, index: Tensor) -> Batch:
    """The rows at the given positions, in that order, as a batch of the same form."""
    return mapped(batch, lambda t: t[index.to(t.device)])


def stretch(batch: Batch, start: int, stop: int) -> Batch:
    """The rows from ``start`` up to ``stop``, which is not among them; a view, so nothing is copied."""
    return mapped(batch, lambda t: t[start:stop])


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The batch with all of its tensors on a device."""
    return mapped(batch, lambda t: t.to(device))


def rows_in(batch: Batch) -> int:
    """How many rows the batch has."""
    return tensors_of(batch)[0].shape[0]


def stacked(batches: Sequence[Batch], rows: int) -> Batch:
    """Batches of one form, each of so many rows, one after another as one batch.

    What has no rows (a flag, a number, a table of positions) is the first's; a list with an entry for each row is
    joined like a tensor.
    """
    first: Any = batches[0]
    if isinstance(first, Tensor):
        return torch.cat(list(batches))  # type: ignore[arg-type]
    columns: Any = batches
    changes: dict[str, Any] = {}
    for key, value in first.items():
        if _has_rows(value, rows):
            parts = [b[key] for b in columns]
            changes[key] = torch.cat(parts) if isinstance(value, Tensor) else type(value)(v for p in parts for v in p)
    return rebuilt(first, changes)


def block_of(batch: Batch, number: int, rows: int, of: int) -> Batch:
    """The block ``number`` (from 0) of ``rows`` rows of a batch of ``of`` rows, as :func:`stacked` makes it."""
    first: Any = batch
    some = slice(number * rows, (number + 1) * rows)
    if isinstance(first, Tensor):
        return first[some]
    return rebuilt(first, {k: v[some] for k, v in first.items() if _has_rows(v, of)})


def _has_rows(value: Any, rows: int) -> bool:
    """Whether an entry of a batch has one value for each row."""
    if isinstance(value, Tensor):
        return value.ndim > 0 and len(value) == rows
    return isinstance(value, list | tuple) and len(value) == rows


def info_of_rows(info: BatchInfo, rows: Tensor) -> BatchInfo:
    """What is known of some rows of a batch."""

    def some(t: Tensor | None) -> Tensor | None:
        return None if t is None else (t[rows] if t.shape[0] > 1 or rows.numel() <= 1 else t)

    return replace(
        info, valid=some(info.valid), lengths=some(info.lengths), filled=some(info.filled), targets=some(info.targets)
    )
