"""Tables (B, D): which feature each column belongs to, and how to exchange whole features between rows.

A feature is what one column of the original table held; as a model's input it may take several columns.
"""

from __future__ import annotations

import functools

import torch
from torch import Generator, Tensor

from autonoise.ops.devices import constant
from autonoise.ops.masks import select
from autonoise.ops.random import rand, randint
from autonoise.types import BatchInfo, InputSpec


def no_numbers(spec: InputSpec) -> str:
    """Why noise on numeric columns cannot act: the table has other columns alone; empty where it may act."""
    return "the table has no numeric columns" if (spec.codes or spec.onehot) and not spec.numeric else ""


def no_categories(spec: InputSpec) -> str:
    """Why noise on categories cannot act: the table has numeric columns alone; empty where it may act."""
    return "the table has no categorical columns" if spec.numeric and not (spec.codes or spec.onehot) else ""


def features(x: Tensor, info: BatchInfo) -> Tensor:
    """Return the number (D,) of the feature that each column belongs to, and -1 for a column of none.

    If the batch does not say, each column is a feature of its own.
    """
    if info.feature_of is None:
        return torch.arange(x.shape[1], device=x.device)
    return info.feature_of.to(x.device)


def flag_columns(x: Tensor, info: BatchInfo) -> Tensor:
    """Return a mask (D,) of the columns that say "this value is missing"; it must not be changed in place."""
    return _flags(info.spec, x.shape[1], x.device)


@functools.lru_cache(maxsize=16)
def _flags(spec: InputSpec, width: int, device: torch.device) -> Tensor:
    """Return the mask of :func:`flag_columns`, which is kept for the next batches."""
    out = torch.zeros(width, dtype=torch.bool, device=device)
    out[[flag for flag, _ in spec.flags]] = True
    return out


def categorical_columns(x: Tensor, info: BatchInfo) -> Tensor:
    """Return a mask (D,) of the columns that hold categories, as one-hot columns or as codes."""
    if info.categorical is not None:
        return info.categorical.to(x.device)
    those = {c for group in (*info.spec.onehot, info.spec.codes) for c in group}
    return constant(tuple(c in those for c in range(x.shape[1])), torch.bool, x.device)


def choose_features(x: Tensor, rate: Tensor, rng: Generator, info: BatchInfo, among: Tensor | None = None) -> Tensor:
    """Return a mask (B, D) of whole features, each chosen with probability ``rate`` (B, 1) in each row.

    All columns of a feature are chosen together, its missing flag included. ``among`` (D,) limits the choice to
    features that have at least one such column. A feature that is missing in a row is not chosen there.
    """
    of, rate = features(x, info), rate.float()
    owner = of.clamp(min=0)
    chosen = rand(x.shape, rng, rate)
    if _of_one_column(x, info):
        chosen = chosen < rate
    else:
        # all columns of a feature use the same draw: that of the column whose number is the feature's number
        chosen = chosen.index_select(1, owner) < rate
        chosen &= of >= 0
    if among is not None:
        of_these = (among & (of >= 0)).to(torch.uint8)
        has = torch.zeros_like(of_these).scatter_reduce(0, owner, of_these, "amax")
        chosen &= has[owner] > 0
    if info.valid is not None:
        missing = (~info.valid & ~flag_columns(x, info)).to(torch.uint8).expand_as(x)
        of_column = owner.expand_as(x)
        lacking = torch.zeros_like(missing).scatter_reduce(1, of_column, missing, "amax")
        chosen &= lacking.gather(1, of_column) == 0
    return chosen


def exchange_features(x: Tensor, chosen: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
    """Replace chosen features by those of other rows of the batch.

    Each feature of each row draws a row of its own, so that replaced values are as frequent as in the batch. Features
    whose columns belong together come from the same row.
    """
    rows = x.shape[0]
    if rows < 2:
        return x
    step = randint(rows, tuple(x.shape), rng, x, low=1)
    if not _of_one_column(x, info):
        step = step[:, features(x, info).clamp(min=0)]
    if x.device.type == "cpu":
        # only the few values that are replaced are looked up
        place = chosen.reshape(-1).nonzero()[:, 0]
        donor = place + step.reshape(-1)[place].mul_(x.shape[1])
        donor.sub_(torch.ge(donor, x.numel(), out=torch.empty_like(donor)), alpha=x.numel())
        flat = x.reshape(-1)
        return flat.index_copy(0, place, flat.index_select(0, donor)).view(x.shape)
    donor = step.add_(torch.arange(rows, device=x.device).unsqueeze(1)).remainder_(rows)
    return select(chosen, x.gather(0, donor), x)


def _of_one_column(x: Tensor, info: BatchInfo) -> bool:
    """Return whether every column is numeric and has no missing flag, so that each is a feature of its own."""
    return len(info.spec.numeric) == x.shape[1] and not info.spec.flags
