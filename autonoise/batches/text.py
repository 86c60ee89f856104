"""Text batches: token ids (B, L), alone or with an attention mask; noise never touches padding or special tokens."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from autonoise.batches.base import BatchAdapter
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec


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

    def check_model(self, model: nn.Module, spec: InputSpec) -> None:
        """Token ids of another tokenizer mean something else: refuse to guess."""
        if spec.vocabulary_size is None:
            return
        sizes = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
        if sizes and spec.vocabulary_size not in sizes:
            raise AttachError(
                f"the policy was searched with a vocabulary of {spec.vocabulary_size}, the model has {max(sizes)} "
                f"embeddings: describe your tokenizer, policy.attach(..., input=InputSpec(data_type='text', "
                f"layout=(L,), pad_id=..., mask_id=..., unk_id=..., special_ids=(...), "
                f"vocabulary_size={max(sizes)}))"
            )

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        x = self.main(batch)
        valid = torch.ones_like(x, dtype=torch.bool)
        if isinstance(batch, dict) and "attention_mask" in batch:
            valid &= batch["attention_mask"].bool()
        special = sorted({*spec.special_ids, *(i for i in (spec.pad_id,) if i is not None)})
        for first, last in runs_of(special):
            valid &= x != first if first == last else (x < first) | (x > last)
        return x, BatchInfo(spec=spec, valid=valid, lengths=valid.sum(1))

    def close(self, batch: Batch, x: Tensor, spec: InputSpec) -> Batch:
        return self.replace(batch, x.to(self.main(batch).dtype))

    def join(self, batch: Batch, permutation: Tensor, weight: Tensor) -> Batch:
        if isinstance(batch, dict) and "attention_mask" in batch:
            mask = batch["attention_mask"]
            both = torch.maximum(mask, mask[permutation])
            return {**batch, "attention_mask": torch.where(weight.to(mask.device)[:, None] < 1, both, mask)}
        return batch

    def synthetic(self, spec: InputSpec, size: int, rng: Generator) -> Batch:
        high = spec.vocabulary_size or 1000
        low = min(max((*spec.special_ids, spec.pad_id or 0)) + 1, high - 1)
        return torch.randint(low, high, (size, *spec.layout), generator=rng)


def runs_of(numbers: list[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of consecutive integers among sorted ones: special ids mostly are one."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
