"""A batch with the values that noise has changed, the others bit for bit as they came."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from autonoise.injector.attached import Attached
from autonoise.ops.buffers import in_blocks
from autonoise.types import Batch

log = logging.getLogger("autonoise")
ROUNDING_CHECKED = 16
"""The number of first updates in which noise in 8-bit batches is watched for being rounded away."""


def closed(attached: Attached, x: Batch, start: Tensor, main: Tensor) -> Batch:
    """The batch x, opened as ``start``, with the values that differ in ``main``; the others keep every bit."""
    adapter = attached.adapter
    original = adapter.main(x)
    pair = adapter.affine(start, attached.spec)
    if isinstance(x, Tensor) and start.dtype == x.dtype and pair is None:
        return main.reshape(x.shape).to(x.dtype).detach()
    single = pair is not None and all(len(t) == 1 and t.ndim == main.ndim for t in pair)
    if pair is not None and single and {t.dtype for t in (*pair, main, start, original)} == {torch.float32}:
        # the same as below, with one pass over the memory of the batch instead of five
        own = original.detach().reshape(main.shape)
        return adapter.replace(x, in_blocks(_in_own_units, main, start, own, *pair).view(original.shape))
    changed = adapter.main(adapter.close(x, main, attached.spec))
    changed = torch.where((main != start).reshape(original.shape), changed, original).detach()
    if original.dtype == torch.uint8 and "rounded" not in adapter.told and attached.clock.update < ROUNDING_CHECKED:
        lost = torch.equal(changed, original) and not torch.equal(main, start)
        if lost:
            adapter.told.add("rounded")
            log.warning("noise of less than half a grey level is rounded away in 8-bit batches: use x.float()")
    return adapter.replace(x, changed)


def _in_own_units(main: Tensor, out: Tensor, start: Tensor, own: Tensor, factor: Tensor, shift: Tensor) -> None:
    torch.sub(main, shift, out=out).div_(factor)
    torch.where(main != start, out, own, out=out)
