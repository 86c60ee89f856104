"""A record of each sample of the training data, for losses that compare predictions with earlier ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autonoise.errors import AttachError
from autonoise.ops.devices import on_device
from autonoise.technique.memory import MemoryLoss

MOST = 200_000_000
"""The most values, samples times classes, that records may have: 800 MB. A larger number of a sample is taken for a
mistake, such as a key in place of its position."""


class Records:
    """Records (N, C) by the number of a sample; the table grows with the numbers it meets."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._table = torch.zeros(0, classes)
        self._rows: Tensor | None = None
        self._done = True

    def begin(self, rows: Tensor | None, size: int, name: str) -> None:
        """The numbers of the samples of the next batch. Raises AttachError where they are missing or cannot be."""
        if rows is None:
            raise AttachError(
                f"{name} keeps a record of each sample and must know which ones a batch holds: pass their numbers, "
                f"injector.perturb(x, y, rows=numbers) or training_step(..., rows=numbers); a data set that returns "
                f"(index, x, y) tells them"
            )
        if (
            not isinstance(rows, Tensor)
            or rows.shape != (size,)
            or rows.is_floating_point()
            or rows.dtype == torch.bool
        ):
            found = f"{rows.dtype} {tuple(rows.shape)}" if isinstance(rows, Tensor) else type(rows).__name__
            raise AttachError(f"rows= must be the whole numbers ({size},) of the samples of the batch, but got {found}")
        rows = rows.detach().cpu().long()
        low, high = (int(v) for v in rows.aminmax())
        if low < 0 or (high + 1) * self._classes > MOST:
            raise AttachError(f"rows= goes from {low} to {high}: number the samples of the training data from 0 on")
        if high >= len(self._table):
            more = max(high + 1, 2 * len(self._table)) - len(self._table)
            self._table = torch.cat([self._table, self._table.new_zeros(more, self._classes)])
        # the table lies where the predictions are: copying records there and back would wait for a GPU
        self._rows, self._done = on_device(rows, self._table.device), False

    def new(self, technique: MemoryLoss, logits: Tensor) -> Tensor:
        """The records of the batch with these predictions in them; they are not kept yet."""
        if self._rows is None or len(self._rows) != len(logits):
            raise AttachError(
                f"{technique.name}: the loss got logits of {len(logits)} rows, which are not those of the last "
                f"perturb(x, y, rows=numbers)"
            )
        p = logits.detach().float().softmax(1)
        if self._table.device != p.device:
            self._table, self._rows = on_device(self._table, p.device), on_device(self._rows, p.device)
        return technique.remember(self._table.index_select(0, self._rows), p)

    def keep(self, technique: MemoryLoss, logits: Tensor) -> None:
        """Keep the records with these predictions, once for each batch: not in a pass that is repeated."""
        if not self._done and self._rows is not None:
            # first: it brings the table and the rows to where the predictions are
            new = self.new(technique, logits)
            self._table.index_copy_(0, self._rows, new)
            self._done = True

    def state_dict(self) -> dict[str, Any]:
        return {"table": self._table}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._table, self._rows, self._done = state["table"].clone(), None, True
