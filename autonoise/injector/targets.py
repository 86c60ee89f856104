"""Targets: are they what a loss can use, and class indices as one-hot rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autonoise.errors import AttachError

SHARES_OFF = 0.02
"""How far from 1 the shares of a row may sum: a share in bfloat16 is rounded by up to 0.2 % of itself."""
MANY = 1024
"""The number of classes up to which the one-hot rows of all classes are kept; with more they would take megabytes."""


def check_targets(y: Tensor, size: int, classes: int, *, values: bool = True) -> None:
    """Raise AttachError unless y is ``size`` class indices (B,) or soft targets (B, classes).

    ``values``: look at the indices as well, on the CPU, whether there are such classes.
    """
    if not isinstance(y, Tensor) or y.ndim not in (1, 2) or y.shape[0] != size:
        shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise AttachError(f"targets must be ({size},) class indices or ({size}, {classes}), but got {shape}")
    if y.ndim == 2 and y.shape[1] != classes:
        raise AttachError(
            f"targets of shape {tuple(y.shape)} are read as the shares of {y.shape[1]} classes, but the model has "
            f"{classes}: give one class index to a row, targets of shape ({size},), or pass num_classes="
        )
    if y.ndim == 1 and y.is_floating_point():
        raise AttachError(f"targets of shape (B,) must be integer class indices, but are {y.dtype}: use y.long()")
    if values and y.ndim == 1 and y.device.type == "cpu" and y.numel():
        low, high = map(int, y.aminmax())
        if not 0 <= low <= high < classes:
            raise AttachError(
                f"targets go from {low} to {high}, but the model has {classes} classes: pass num_classes="
            )


def fault_of_shares(y: Tensor) -> str:
    """What is wrong with soft targets (B, C) as shares of the classes, which sum to 1 in each row; empty if nothing is.

    On the CPU alone: elsewhere the look would wait for the device.
    """
    if y.ndim != 2 or y.device.type != "cpu" or not y.numel():
        return ""
    off = (y.float().sum(1) - 1).abs()
    worst = int(off.argmax())
    # not "off > ...": what is no number is wrong, too
    if bool(off[worst] <= SHARES_OFF):
        return ""
    return (
        f"targets of shape {tuple(y.shape)} are read as shares of the classes, which sum to 1 in each row, but row "
        f"{worst} sums to {float(y[worst].float().sum()):.3g}: where a row may have several labels, or each of its "
        f"tokens has one, say the loss yourself, attach(..., loss=function_of(logits, targets))"
    )


class SoftTargets:
    """Targets as (B, C) float32: ``soft(y)`` for class indices (B,) or targets that are soft already."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._rows: Tensor | None = None

    def __call__(self, y: Tensor) -> Tensor:
        if y.ndim == 2:
            return y.float()
        try:
            if self._classes > MANY:
                return nn.functional.one_hot(y.long(), self._classes).float()
            if self._rows is None or self._rows.device != y.device:
                self._rows = torch.eye(self._classes, dtype=torch.float32, device=y.device)
            # faster than one_hot, which makes integers first and looks for the largest
            return self._rows.index_select(0, y.long())
        except (IndexError, RuntimeError):
            check_targets(y, len(y), self._classes)
            raise
