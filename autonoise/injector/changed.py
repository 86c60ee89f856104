"""A batch with the values that noise has changed, the others bit for bit as they came."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from autonoise.injector.attached import Attached
from autonoise.types import Batch

log = logging.getLogger("autonoise")
ROUNDING_CHECKED = 16
"""The number of first updates in which noise in 8-bit batches is watched for being rounded away."""


def closed(attached: Attached, x: Batch, start: Tensor, main: Tensor) -> Batch:
    """The batch x, opened as ``start``, with the values that differ in ``main``; the others keep every bit."""
    adapter = attached.adapter
    original = adapter.main(x)
    if isinstance(x, Tensor) and start.dtype == x.dtype and adapter.affine(start, attached.spec) is None:
        return main.reshape(x.shape).to(x.dtype).detach()
    changed = adapter.main(adapter.close(x, main, attached.spec))
    changed = torch.where((main != start).reshape(original.shape), changed, original).detach()
    if original.dtype == torch.uint8 and "rounded" not in adapter.told and attached.clock.update < ROUNDING_CHECKED:
        lost = torch.equal(changed, original) and not torch.equal(main, start)
        if lost:
            adapter.told.add("rounded")
            log.warning("noise of less than half a grey level is rounded away in 8-bit batches: use x.float()")
    return adapter.replace(x, changed)
