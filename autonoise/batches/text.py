"""Text batches: token ids (B, L), alone or with an attention mask; noise never touches padding or special tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from autonoise.batches.base import BatchAdapter, entry, length_mask, log
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec

_OF_CONFIG = ("pad", "bos", "eos", "cls", "sep", "mask")
"""The special tokens that a Transformers configuration names, as ``<word>_token_id``."""


class Adapter(BatchAdapter):
    data_type: ClassVar[DataType] = DataType.TEXT
    keys: ClassVar[tuple[str, ...]] = ("input_ids", "ids", "tokens", "x")
    ranks: ClassVar[tuple[int, ...]] = (2,)
    shape_words: ClassVar[str] = "(B, L) of token ids"
    continuous: ClassVar[bool] = False

    def check_shape(self, x: Tensor, spec: InputSpec) -> None:
        super().check_shape(x, spec)
        if x.is_floating_point():
            raise AttachError(
                f"text batches must hold integer token ids, but the first is {x.dtype}: attach a policy of the "
                f"right data type"
            )

    def for_model(self, model: nn.Module, spec: InputSpec, *, exact: bool) -> InputSpec:
        """Ids of another tokenizer mean something else: refused where noise acts on tokens, else taken from the model.

        A policy that says nothing of padding takes it from the model's embedding.
        """
        tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
        if not tables:
            return spec
        table = next((t for t in tables if t.num_embeddings == spec.vocabulary_size), None)
        table = table or max(tables, key=lambda t: t.num_embeddings)
        size, pad = table.num_embeddings, table.padding_idx
        if spec.vocabulary_size not in (None, size):
            what = f"the policy was searched with a vocabulary of {spec.vocabulary_size}, the model has {size}"
            what += " embeddings"
        elif None not in (spec.pad_id, pad) and spec.pad_id != pad:
            what = f"the policy was searched with padding id {spec.pad_id}, the model's embedding pads with {pad}"
        else:
            return replace(spec, pad_id=pad) if spec.pad_id is None else spec
        if exact:
            raise AttachError(
                f"{what}: describe your tokenizer, policy.attach(..., input=InputSpec(data_type='text', layout=(L,), "
                f"pad_id=..., mask_id=..., unk_id=..., special_ids=(...), vocabulary_size={size}))"
            )
        config = getattr(model, "config", None)
        named = [getattr(config, f"{word}_token_id", None) for word in _OF_CONFIG]
        special = tuple(sorted({i for i in named if isinstance(i, int)}))
        log.warning(
            "%s: took its padding (%s) and special ids (%s) from the model; input= can say others",
            what,
            pad,
            ", ".join(map(str, special)) or "none",
        )
        return replace(spec, pad_id=pad, mask_id=None, unk_id=None, special_ids=special, vocabulary_size=size)

    def scale_words(self, spec: InputSpec) -> str:
        return "token ids"

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        x = self.main(batch)
        valid = torch.ones_like(x, dtype=torch.bool)
        mask, special_tokens = entry(batch, "attention_mask"), entry(batch, "special_tokens_mask")
        inside = length_mask(entry(batch, "lengths"), x.shape[1])
        if mask is not None:
            valid &= mask.bool()
        if special_tokens is not None:
            valid &= ~special_tokens.bool()
        if inside is not None:
            valid &= inside.to(x.device)
        special = sorted({*spec.special_ids, *(i for i in (spec.pad_id, spec.mask_id) if i is not None)})
        for first, last in runs_of(special):
            valid &= x != first if first == last else (x < first) | (x > last)
        # no lengths: special tokens stand in front and between, and padding may lie on the left
        return x, BatchInfo(spec=spec, valid=valid)

    def close(self, batch: Batch, x: Tensor, spec: InputSpec) -> Batch:
        return self.replace(batch, x.to(self.main(batch).dtype))

    def synthetic(self, spec: InputSpec, size: int, rng: Generator) -> Batch:
        high = spec.vocabulary_size or 1000
        low = min(max((*spec.special_ids, spec.pad_id or 0)) + 1, high - 1)
        return torch.randint(low, high, (size, *spec.layout), generator=rng)


def runs_of(numbers: list[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of consecutive numbers among sorted ones: special ids mostly form a single run."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
