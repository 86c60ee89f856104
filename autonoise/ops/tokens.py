"""Token ids (B, L): which to edit, and what to write there."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.errors import AttachError
from autonoise.ops.random import rand
from autonoise.types import BatchInfo, InputSpec


def choose_tokens(x: Tensor, rate: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
    """Bool (B, L): each valid token with probability ``rate`` (B, 1)."""
    chosen = rand(x.shape, rng, rate.float()) < rate.float()
    return chosen if info.valid is None else chosen & info.valid


def placeholder(spec: InputSpec, *, prefer: str, technique: str) -> int:
    """The id for "no word": mask_id or unk_id, the preferred first. Raises AttachError without either."""
    order = (spec.mask_id, spec.unk_id) if prefer == "mask" else (spec.unk_id, spec.mask_id)
    for token in order:
        if token is not None:
            return token
    raise AttachError(f"{technique} needs mask_id or unk_id in the input description: give one of them")


def random_tokens(x: Tensor, rng: Generator, spec: InputSpec, *, technique: str) -> Tensor:
    """Ids of x's shape, uniform over the vocabulary without special ids. Raises AttachError without any."""
    named = (spec.pad_id, spec.mask_id, spec.unk_id)
    special = sorted({i for i in (*spec.special_ids, *named) if i is not None})
    size = spec.vocabulary_size
    if size is None:
        raise AttachError(f"{technique} needs vocabulary_size in the input description: give it")
    special = [i for i in special if 0 <= i < size]
    if size <= len(special):
        raise AttachError(f"{technique}: a vocabulary of {size} has no ids beside the special ones")
    draws = torch.randint(size - len(special), x.shape, generator=rng, device=x.device)
    # the r-th id that is not special is r plus the number of special ids before it
    ids = torch.tensor(special, device=x.device, dtype=torch.long)
    before = ids - torch.arange(len(special), device=x.device)
    return (draws + torch.searchsorted(before, draws, right=True)).to(x.dtype)
