"""Token ids (B, L): which tokens to edit, and which ids to write there."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.errors import AttachError
from autonoise.ops.devices import constant
from autonoise.ops.random import rand
from autonoise.types import BatchInfo, InputSpec


def choose_tokens(x: Tensor, rate: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
    """Return a mask (B, L) of valid tokens, each chosen with probability ``rate`` (B, 1)."""
    chosen = rand(x.shape, rng, rate.float()) < rate.float()
    return chosen if info.valid is None else chosen & info.valid


def placeholder(spec: InputSpec, *, prefer: str, technique: str) -> int:
    """Return the id that stands for "no word": mask_id or unk_id, the preferred one if both exist.

    Raises AttachError if the input description has neither.
    """
    order = (spec.mask_id, spec.unk_id) if prefer == "mask" else (spec.unk_id, spec.mask_id)
    for token in order:
        if token is not None:
            return token
    raise AttachError(f"{technique} needs mask_id or unk_id in the input description: give one of them")


def random_tokens(x: Tensor, rng: Generator, spec: InputSpec, *, technique: str) -> Tensor:
    """Return ids of x's shape, drawn uniformly from the vocabulary without its special ids.

    Raises AttachError if the size of the vocabulary is unknown, or if it has special ids only.
    """
    named = (spec.pad_id, spec.mask_id, spec.unk_id)
    special = sorted({i for i in (*spec.special_ids, *named) if i is not None})
    size = spec.vocabulary_size
    if size is None:
        raise AttachError(f"{technique} needs vocabulary_size in the input description: give it")
    special = [i for i in special if 0 <= i < size]
    if size <= len(special):
        raise AttachError(f"{technique}: a vocabulary of {size} has no ids beside the special ones")
    draws = torch.randint(size - len(special), x.shape, generator=rng, device=x.device)
    # the r-th id that is not special is r plus the number of special ids below it; ``before`` holds, for each special
    # id, how many ordinary ids are below it
    ids = constant(tuple(special), torch.long, x.device)
    before = ids - torch.arange(len(special), device=x.device)
    return (draws + torch.searchsorted(before, draws, right=True)).to(x.dtype)
