"""Class probabilities of a model: the one place where a model is called to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autonoise.batches.mappings import call_model, check_logits, logits_of
from autonoise.batches.rows import rows_in, stretch, to_device
from autonoise.errors import no_exit
from autonoise.types import Array, Batch

Forward = Callable[[nn.Module, Any], Tensor]
"""``forward(model, batch)`` returns the logits (B, C), for models that are called in an unusual way."""

EVALUATION_BATCH = 512
"""Rows in one forward pass. It bounds the memory that judging takes; no result depends on it."""


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, for the block inside.

    Afterwards each module has the mode that it had before (a frozen batch norm stays in evaluation mode), and
    torch's global random generators are where they were, whatever the model has drawn from them.
    """
    modes = [(m, m.training) for m in model.modules()]
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    model.eval()
    try:
        with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def class_probabilities(model: nn.Module, batch: Batch, forward: Forward | None = None) -> Tensor:
    """Probabilities (B, C) in float64 of one forward pass in whatever mode the model is.

    Raises AttachError where the model returns no logits of two classes or more.
    """
    logits = call_model(model, batch) if forward is None else logits_of(forward(model, batch))
    return check_logits(logits).double().softmax(1)


def probabilities(
    model: nn.Module, batch: Batch, forward: Forward | None = None, *, device: torch.device | str | None = None
) -> Array:
    """Probabilities (N, C) in float64 of all rows of ``batch`` in evaluation mode.

    ``device`` is where the rows are brought, some at a time; None leaves them where they are. A row whose logits are
    not finite gets the same probability for every class: a model that diverged is worth as much as guessing.
    """
    n, parts = rows_in(batch), []
    with evaluating(model), no_exit("the model"):
        for start in range(0, n, EVALUATION_BATCH):
            chunk = stretch(batch, start, start + EVALUATION_BATCH)
            chunk = chunk if device is None else to_device(chunk, device)
            parts.append(class_probabilities(model, chunk, forward).cpu())
    p = torch.cat(parts).numpy()
    return np.where(np.isfinite(p), p, 1 / p.shape[1])
