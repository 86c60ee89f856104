"""Steps of adversarial perturbations inside a ball around the input."""

from __future__ import annotations

import torch
from torch import Tensor

from autonoise.types import BatchInfo


def inside_box(x: Tensor, delta: Tensor, radius: Tensor, mask: Tensor | None, info: BatchInfo) -> Tensor:
    """Add delta to x, |delta| <= radius everywhere, 0 where ``mask`` is False, within ``info.bounds``."""
    return _moved(x, delta.clamp(-radius, radius), mask, info)


def inside_ball(x: Tensor, delta: Tensor, radius: Tensor, mask: Tensor | None, info: BatchInfo) -> Tensor:
    """The same with the Euclidean norm of each sample's delta at most ``radius`` (B, 1, ...)."""
    delta = delta if mask is None else delta * mask
    return _moved(x, delta * (radius / length(delta)).clamp(max=1), mask, info)


def length(delta: Tensor) -> Tensor:
    """Euclidean norm of each sample, (B, 1, ...), at least 1e-7 (so that it can be divided by)."""
    norm: Tensor = torch.linalg.vector_norm(delta.flatten(1).float(), dim=1).to(delta.dtype)
    return norm.clamp(min=1e-7).reshape(-1, *[1] * (delta.ndim - 1))


def _moved(x: Tensor, delta: Tensor, mask: Tensor | None, info: BatchInfo) -> Tensor:
    moved = x + (delta if mask is None else delta * mask)
    return moved if info.bounds is None else moved.clamp(*info.bounds)
