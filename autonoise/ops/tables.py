"""Tables (B, D): columns, the features they belong to, and exchanging whole features between rows."""

from __future__ import annotations

import functools

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import select
from autonoise.ops.random import rand, randint
from autonoise.types import BatchInfo, InputSpec


def features(x: Tensor, info: BatchInfo) -> Tensor:
    """(D,) the feature of each column, -1 for none; each column its own where the batch does not say."""
    if info.feature_of is None:
        return torch.arange(x.shape[1], device=x.device)
    return info.feature_of.to(x.device)


def flag_columns(x: Tensor, info: BatchInfo) -> Tensor:
    """(D,) bool, True for columns that say "this value is missing"; not to be changed in place."""
    return _flags(info.spec, x.shape[1], x.device)


@functools.lru_cache(maxsize=16)
def _flags(spec: InputSpec, width: int, device: torch.device) -> Tensor:
    out = torch.zeros(width, dtype=torch.bool, device=device)
    out[[flag for flag, _ in spec.flags]] = True
    return out


def categorical_columns(x: Tensor, info: BatchInfo) -> Tensor:
    """(D,) bool, True for one-hot and code columns."""
    if info.categorical is not None:
        return info.categorical.to(x.device)
    out = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
    out[[c for group in (*info.spec.onehot, info.spec.codes) for c in group]] = True
    return out


def choose_features(x: Tensor, rate: Tensor, rng: Generator, info: BatchInfo, among: Tensor | None = None) -> Tensor:
    """Bool (B, D): whole features with their flag columns, each with probability ``rate`` (B, 1) in each row.

    ``among`` (D,) limits the choice to features that have such a column. A feature that is missing in a row
    stays as it is there.
    """
    of, rate = features(x, info), rate.float()
    owner = of.clamp(min=0)
    chosen = rand(x.shape, rng, rate)
    if _of_one_column(x, info):
        chosen = chosen < rate
    else:
        # a feature's columns read one draw, that of the column that bears its number
        chosen = chosen.index_select(1, owner) < rate
        chosen &= of >= 0
    if among is not None:
        has = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        has[of[among & (of >= 0)]] = True
        chosen &= has[owner]
    if info.valid is not None:
        missing = (~info.valid & ~flag_columns(x, info)).to(torch.uint8).expand_as(x)
        of_column = owner.expand_as(x)
        lacking = torch.zeros_like(missing).scatter_reduce(1, of_column, missing, "amax")
        chosen &= lacking.gather(1, of_column) == 0
    return chosen


def exchange_features(x: Tensor, chosen: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
    """Fill chosen features with those of other rows of the batch, a row drawn for each: empirical marginals."""
    rows = x.shape[0]
    if rows < 2:
        return x
    step = randint(rows, tuple(x.shape), rng, x, low=1)
    donor = step.add_(torch.arange(rows, device=x.device).unsqueeze(1)).remainder_(rows)
    if not _of_one_column(x, info):
        donor = donor[:, features(x, info).clamp(min=0)]
    return select(chosen, x.gather(0, donor), x)


def _of_one_column(x: Tensor, info: BatchInfo) -> bool:
    """Whether every column is a number, and so its own feature."""
    return len(info.spec.numeric) == x.shape[1] and not info.spec.flags
