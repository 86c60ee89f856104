"""Class probabilities of a model, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autonoise.batches.mappings import call_model, check_logits
from autonoise.batches.rows import rows_in, select
from autonoise.types import Array, Batch

Forward = Callable[[nn.Module, Any], Tensor]


EVALUATION_BATCH = 512


@torch.no_grad()
def probabilities(model: nn.Module, batch: Batch, forward: Forward | None = None) -> Array:
    """(N, C) float64 class probabilities in eval mode; the model's mode is restored. NaN logits count as uniform."""
    mode = model.training
    model.eval()
    call = call_model if forward is None else forward
    n = rows_in(batch)
    chunks = (select(batch, torch.arange(i, min(i + EVALUATION_BATCH, n))) for i in range(0, n, EVALUATION_BATCH))
    parts = [check_logits(call(model, chunk)).double().softmax(1).cpu() for chunk in chunks]
    model.train(mode)
    p = torch.cat(parts).numpy()
    return np.where(np.isfinite(p), p, 1 / p.shape[1])
