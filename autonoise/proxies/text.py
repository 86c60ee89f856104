"""Text proxies on {"input_ids", "attention_mask"}, each (B, L): TextCNN, and a transformer to check with."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import DataError
from autonoise.proxies.layers import EncoderBlock, scaled
from autonoise.types import Batch, InputSpec

KERNELS = (3, 4, 5)
"""Tokens that a filter of the TextCNN spans (Kim 2014)."""
EMBEDDING_STD = 0.02
"""Standard deviation of fresh word vectors, as in BERT."""


class TextProxy(nn.Module):
    """Embedding, padding mask, and the linear ``classifier`` that the text proxies share.

    Input: a dict of token ids and attention mask (1 = token), both (B, L), or the ids alone; logits (B, classes).
    Raises DataError without a vocabulary size.
    """

    def __init__(self, spec: InputSpec, embedding_width: int, feature_width: int) -> None:
        super().__init__()
        if not spec.vocabulary_size or spec.vocabulary_size < 1:
            raise DataError("text proxies need vocabulary_size in the input description: set it to the tokenizer's")
        self.pad_id = spec.pad_id if spec.pad_id is not None else 0
        if not 0 <= self.pad_id < spec.vocabulary_size:
            raise DataError(f"0 <= pad_id < {spec.vocabulary_size} (vocabulary_size) must hold, but got {self.pad_id}")
        self.embedding = nn.Embedding(spec.vocabulary_size, embedding_width, padding_idx=self.pad_id)
        with torch.no_grad():  # at torch's N(0, 1) a short training cannot move the vectors far enough to matter
            self.embedding.weight.mul_(EMBEDDING_STD)
        self.feature_norm = nn.LayerNorm(feature_width)
        self.classifier = nn.Linear(feature_width, spec.classes)

    def forward(self, batch: Batch) -> Tensor:
        if isinstance(batch, Tensor):
            ids, mask = batch, batch != self.pad_id
        elif "input_ids" in batch:
            ids = batch["input_ids"]
            mask = batch["attention_mask"].bool() if "attention_mask" in batch else ids != self.pad_id
        else:
            raise DataError(f"a dict batch of text needs 'input_ids', but has {sorted(batch)}: rename the entry")
        # An empty text keeps its first position: pooling and attention need something to look at.
        mask = mask | (torch.arange(mask.shape[1], device=mask.device) == 0)
        embedded = self.embedding(ids) * mask[..., None]
        longest = int(mask.any(0).nonzero().max()) + 1  # after the embedding, whose hooks see the whole batch
        features = self.features(embedded[:, :longest], mask[:, :longest])
        logits: Tensor = self.classifier(self.feature_norm(features))
        return logits

    def features(self, embedded: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError


class TextCNN(TextProxy):
    """Convolutions over 3, 4 and 5 tokens, each followed by the maximum over the true tokens (Kim 2014)."""

    def __init__(self, spec: InputSpec, *, width: int, channels: int) -> None:
        super().__init__(spec, width, channels * len(KERNELS))
        self.convs = nn.ModuleList(nn.Conv1d(width, channels, kernel) for kernel in KERNELS)

    def features(self, embedded: Tensor, mask: Tensor) -> Tensor:
        x = embedded.transpose(1, 2)
        padding = ~mask[:, None, :]
        pooled = []
        for kernel, conv in zip(KERNELS, self.convs, strict=True):
            maps = F.relu(conv(F.pad(x, ((kernel - 1) // 2, kernel // 2))))
            pooled.append(maps.masked_fill(padding, 0.0).amax(-1))  # maps >= 0, so 0 never wins over a token
        return torch.cat(pooled, 1)


class TextTransformer(TextProxy):
    """Two pre-norm encoder blocks with sinusoidal positions and mean pooling (Vaswani 2017)."""

    def __init__(self, spec: InputSpec, *, width: int, heads: int = 4, blocks: int = 2) -> None:
        super().__init__(spec, width, width)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(blocks))

    def features(self, embedded: Tensor, mask: Tensor) -> Tensor:
        x = embedded + _positions(embedded)
        for block in self.blocks:
            x = block(x, mask)
        return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _positions(like: Tensor) -> Tensor:
    """Sinusoids (L, D) for ``like`` (B, L, D): computed, not learned, so that any length can be read."""
    length, width = like.shape[1:]
    rates = torch.exp(-math.log(10_000.0) / width * torch.arange(0, width, 2, device=like.device))
    angles = torch.arange(length, device=like.device)[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), 1).to(like.dtype)


def text_cnn(spec: InputSpec, size: float) -> nn.Module:
    """TextCNN with 64-wide embeddings and 3 x 64 filters."""
    return TextCNN(spec, width=scaled(64, size), channels=scaled(64, size))


def text_transformer(spec: InputSpec, size: float) -> nn.Module:
    """Two encoder blocks of width 64."""
    return TextTransformer(spec, width=scaled(64, size))


PROXIES: dict[str, Callable[[InputSpec, float], nn.Module]] = {
    "text_cnn": text_cnn,
    "text_transformer": text_transformer,
}
