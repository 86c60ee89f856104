"""Numbers that the CPU makes, brought to the device of the data without waiting for it.

A GPU works through what it was asked for while the CPU goes on. Copying ordinary memory to it by ``.to(device)`` waits
until the GPU has done all that, and so does every number that is read back from it. Nothing on the way of a training
step should do either.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor


def on_device(t: Tensor, device: torch.device) -> Tensor:
    """Return t on a device; a copy to a GPU is only asked for, not waited for."""
    return t.to(device, non_blocking=device.type == "cuda")


def constant(values: Hashable, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers (nested tuples of them) as a tensor, which is kept for later and must never be changed in place.

    Making it anew each time would copy it to the device each time.
    """
    return _constant(values, dtype, str(device))


@functools.lru_cache(maxsize=256)
def _constant(values: Any, dtype: torch.dtype, device: str) -> Tensor:
    # a tensor that was made in inference mode could not be used in training
    with torch.inference_mode(False):
        return on_device(torch.tensor(values, dtype=dtype), torch.device(device))
