"""Texts: lists of strings from arrays and tables, and their preparation to token ids."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from autonoise.data import columns as kinds
from autonoise.data.base import Dataset, Request, Rows, take
from autonoise.data.notes import Notes
from autonoise.errors import DataError
from autonoise.types import Array, Batch, DataType, InputSpec

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 4000
"""Tokens at most: a proxy sees too few texts to learn vectors for more."""
MAX_TOKENS = 64
"""Longest text in tokens; the rest of a longer one is cut off, since the time of a training grows with it."""
LONGEST_WORD = 1000
"""Characters of a word, or of a gap between two, that tokens are learned from. The time of learning grows with the
square of this length: a word of 300,000 equal letters took more than a minute, while such a text is cut off anyway."""
_LONG_WORD = re.compile(rf"(\S{{{LONGEST_WORD}}})\S+|(\s{{{LONGEST_WORD}}})\s+")
FEW_OTHERS = 3
"""Further usable columns up to which a column of sentences is taken for the whole; with more it may be a table."""


def column_of(frame: pd.DataFrame, train: Array, request: Request, notes: Notes) -> str | None:
    """The column that holds the text, the others left out and told; None for a table. DataError where it is open."""
    columns = [str(c) for c in frame.columns]
    wanted = request.data_type is DataType.TEXT
    if request.text_column is not None or len(columns) == 1:
        found = request.text_column or columns[0]
        if not (wanted or request.text_column or kinds.sentences(frame[found], train)):
            return None
    else:
        one = _among(frame.set_axis(columns, axis=1), train, wanted, notes.where)
        if one is None:
            return None
        found = one
    others = [c for c in columns if c != found]
    if others:
        notes.tell(
            f"column {found!r} is read as text, {kinds.names(others)} left out (--data-type tabular for a table)",
            guess=True,
        )
    return found


def _among(frame: pd.DataFrame, train: Array, wanted: bool, where: str) -> str | None:
    """The column of sentences among several, or None for a table."""
    holding = [c for c in frame.columns if kinds.sentences(frame[c], train)]
    clear = [c for c in holding if kinds.sentences(frame[c], train, words=kinds.SENTENCE_WORDS)]
    used = [c for c in frame.columns if c not in holding and not _left_out(frame[c], train)]
    if wanted:
        named = [c for c in frame.columns if c.lower() in ("text", "sentence")]
        best = next((found for found in (named, clear, holding) if found), [])
        if len(best) == 1:
            return best[0]
        raise DataError(
            f"{where}: which column holds the text? Name it with --text-column (columns: {', '.join(frame.columns)})"
        )
    if len(clear) > 1 or (not used and len(holding) > 1):
        raise DataError(
            f"{where}: {kinds.names(clear if len(clear) > 1 else holding)} hold sentences: choose one with "
            f"--text-column, or give --data-type tabular to use the other columns"
        )
    if len(clear) == 1 and len(used) > FEW_OTHERS:
        raise DataError(
            f"{where}: column {clear[0]!r} holds sentences, beside {len(used)} columns of a table: give --data-type "
            f"text to read the sentences alone, or --data-type tabular to leave them out"
        )
    return next(iter(clear or ([] if used else holding)), None)


def _left_out(values: pd.Series[Any], train: Array) -> bool:
    converted, _ = kinds.converted(values, train, "")
    return bool(kinds.useless(str(values.name), converted, train))


def from_array(
    array: Array, *, lengths: Array | None, where: str, notes: Notes | None = None, train: Array | None = None
) -> list[str]:
    """Strings from a string array (N,), or DataError."""
    if lengths is not None or array.ndim != 1 or array.dtype.kind not in "UT":
        raise DataError(f"{where}: texts must be strings of shape (n,), but got {array.dtype} {array.shape}")
    return [str(v) for v in array]


def from_frame(frame: pd.DataFrame, where: str) -> list[str]:
    """The texts of the one column of a frame; missing = empty."""
    values = frame.iloc[:, 0]
    return ["" if gone else str(v) for v, gone in zip(values, values.isna(), strict=True)]


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


def _shortened(text: str) -> str:
    """The text with overlong words and gaps cut off."""
    return text if len(text) <= LONGEST_WORD else _LONG_WORD.sub(r"\1\2", text)


def prepare(dataset: Dataset, train: Array) -> TextPreparation:
    """Learn a byte-level BPE of at most 4000 tokens from the training texts (Sennrich et al. 2016).

    Of a word the first ``LONGEST_WORD`` letters are learned from. Bytes are tokens, so nothing is ever [UNK]. L is the
    98th percentile of the training lengths, at most 64.
    """
    # one worker is one thread: tokenizers would otherwise start its own, and warn after a fork
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    texts = take(dataset.x, train)
    assert isinstance(texts, list)
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.train_from_iterator(
        map(_shortened, texts),
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
