"""Texts: lists of strings from arrays and tables, and their preparation to token ids."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from autonoise.data.base import Array, Dataset, Rows, take
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Batch, DataType, InputSpec

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 4000
MAX_TOKENS = 64


def looks_like(frame: pd.DataFrame) -> bool:
    """Whether the table is one column of strings that are mostly unique (half) and long (15 characters)."""
    if len(frame.columns) != 1:
        return False
    values = frame.iloc[:, 0]
    if pd.api.types.is_numeric_dtype(values.dtype) or not len(values):
        return False
    strings = values.dropna().astype(str)
    return bool(strings.nunique() > 0.5 * len(values) and strings.str.len().mean() > 15)


def from_array(
    array: Array, *, lengths: Array | None, where: str, notes: Notes | None = None, train: Array | None = None
) -> list[str]:
    """Strings from a string array (N,), or DataError."""
    if lengths is not None or array.ndim != 1 or array.dtype.kind not in "UT":
        raise DataError(f"{where}: texts must be strings of shape (n,), but got {array.dtype} {array.shape}")
    return [str(v) for v in array]


def from_frame(frame: pd.DataFrame, where: str) -> list[str]:
    """The one column of texts; of several columns the one named text or sentence; missing = empty."""
    named = [c for c in frame.columns if str(c).lower() in ("text", "sentence")]
    columns = list(frame.columns) if len(frame.columns) == 1 else named
    if len(columns) != 1:
        raise DataError(
            f"{where}: which column holds the text? Name it text, or keep one beside the label "
            f"(columns: {', '.join(map(str, frame.columns))})"
        )
    return ["" if gone else str(v) for v, gone in zip(frame[columns[0]], frame[columns[0]].isna(), strict=True)]


@dataclass(frozen=True)
class TextPreparation:
    """Strings → ``{"input_ids", "attention_mask"}``, int64 (N, L): [CLS] tokens [SEP], cut or padded to L."""

    spec: InputSpec
    tokenizer: Tokenizer

    def __call__(self, rows: Rows) -> Batch:
        assert isinstance(rows, list)
        if not rows:
            empty = torch.zeros((0, self.spec.layout[0]), dtype=torch.int64)
            return {"input_ids": empty, "attention_mask": empty.clone()}
        encoded = self.tokenizer.encode_batch(rows)
        return {
            "input_ids": torch.from_numpy(np.array([e.ids for e in encoded], dtype=np.int64)),
            "attention_mask": torch.from_numpy(np.array([e.attention_mask for e in encoded], dtype=np.int64)),
        }

    def state(self) -> dict[str, Any]:
        return {
            "tokenizer": "byte-level BPE, lower case",
            "vocabulary_size": self.spec.vocabulary_size,
            "length": self.spec.layout[0],
        }


def prepare(dataset: Dataset, train: Array) -> TextPreparation:
    """Learn a byte-level BPE of at most 4000 tokens from the training texts (Sennrich et al. 2016).

    Bytes are tokens, so nothing is ever [UNK]. L is the 98th percentile of the training lengths, at most 64.
    """
    # one worker is one thread: tokenizers would otherwise start its own, and warn after a fork
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    texts = take(dataset.x, train)
    assert isinstance(texts, list)
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            min_frequency=2,
            special_tokens=list(SPECIAL),
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    ids = {name: i for i, name in enumerate(SPECIAL)}  # the trainer numbers them first, in this order
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, ids[name]) for name in ("[CLS]", "[SEP]")]
    )
    tokenizer.encode_special_tokens = True  # a user's text that spells "[SEP]" is text
    lengths = [len(e.ids) for e in tokenizer.encode_batch(texts)]
    length = int(min(MAX_TOKENS, max(4, np.ceil(np.quantile(lengths, 0.98)))))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(pad_id=ids["[PAD]"], pad_token=SPECIAL[0], length=length)
    return TextPreparation(
        InputSpec(
            data_type=DataType.TEXT,
            layout=(length,),
            classes=dataset.classes,
            pad_id=ids["[PAD]"],
            unk_id=ids["[UNK]"],
            mask_id=ids["[MASK]"],
            special_ids=tuple(ids.values()),
            vocabulary_size=tokenizer.get_vocab_size(),
        ),
        tokenizer,
    )
