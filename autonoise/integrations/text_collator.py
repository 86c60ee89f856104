"""A data collator for rows of raw text: noise on the strings, then the tokenizer, then padding."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from autonoise.errors import AttachError
from autonoise.injector.raw import RawTransform

_LABELS = ("labels", "label")


class TextCollator:
    """Makes a batch of rows such as ``{"text": "...", "label": 3}``.

    As it is, it adds no noise, so that it serves evaluation; :meth:`noisy` is its twin for training. The noise of a row
    depends on (seed, epoch, text) alone, so that workers, shuffling and resuming cannot change it.

    Args:
        tokenizer: a tokenizer of Transformers.
        transform: the policy's noise on strings.
        column: under which key a row holds its text.
        max_length: cuts off longer texts; by default those longer than the tokenizer's ``model_max_length``.
    """

    def __init__(
        self, tokenizer: Any, transform: RawTransform | None, *, column: str = "text", max_length: int | None = None
    ) -> None:
        self.tokenizer, self.transform, self.column, self.max_length = tokenizer, transform, column, max_length
        self._acts = False

    def noisy(self) -> TextCollator:
        """The same with noise."""
        twin = copy.copy(self)
        twin._acts = True
        return twin

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """The tokenizer's batch, padded, with ``labels`` (B,). Raises AttachError for rows without text."""
        missing = next((row for row in rows if self.column not in row), None)
        if missing is not None:
            raise AttachError(
                f"a row has no {self.column!r} but {', '.join(missing) or 'nothing'}: set remove_unused_columns=False "
                f"in TrainingArguments, or say which key holds the text, collator(tokenizer, column=...)"
            )
        texts = [row[self.column] for row in rows]
        if self._acts and self.transform is not None:
            # with the versions that a policy compares, one after another; the labels are those of the rows
            texts = self.transform.views(texts, [_number(text) for text in texts])
        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        key = next((k for k in _LABELS if k in rows[0]), None)
        if key is not None:
            batch["labels"] = torch.tensor([int(row[key]) for row in rows])
        return batch


def _number(text: str) -> int:
    """A number that stands for a text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(str(text).encode(), digest_size=7).digest())
