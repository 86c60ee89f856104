"""Keep adversarial changes small: inside a box or a ball around the input."""

from __future__ import annotations

import torch
from torch import Tensor

from autonoise.types import BatchInfo


def inside_box(x: Tensor, delta: Tensor, radius: Tensor, mask: Tensor | None, info: BatchInfo) -> Tensor:
    """Return x + delta with each value of delta limited to [-radius, radius].

    Values where ``mask`` is False do not change, and the result is clipped to ``info.bounds``.
    """
    return _moved(x, delta.clamp(-radius, radius), mask, info)


def inside_ball(x: Tensor, delta: Tensor, radius: Tensor, mask: Tensor | None, info: BatchInfo) -> Tensor:
    """Return x + delta with the Euclidean norm of each sample's delta limited to ``radius`` (B, 1, ...).

    Values where ``mask`` is False do not change, and the result is clipped to ``info.bounds``.
    """
    delta = delta if mask is None else delta * mask
    return _moved(x, delta * (radius / length(delta)).clamp(max=1), mask, info)


def length(delta: Tensor) -> Tensor:
    """Return the Euclidean norm of each sample, (B, 1, ...), but at least 1e-7, so that one can divide by it."""
    norm: Tensor = torch.linalg.vector_norm(delta.flatten(1).float(), dim=1).to(delta.dtype)
    return norm.clamp(min=1e-7).reshape(-1, *[1] * (delta.ndim - 1))


def _moved(x: Tensor, delta: Tensor, mask: Tensor | None, info: BatchInfo) -> Tensor:
    """Return x + delta where ``mask`` is True, clipped to ``info.bounds``."""
    moved = x + (delta if mask is None else delta * mask)
    return moved if info.bounds is None else moved.clamp(*info.bounds)
