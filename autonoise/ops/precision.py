"""Small conversions that keep half precision out of arithmetic it is too coarse for."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def widen(x: Tensor) -> Tensor:
    """X in at least float32 (float64 stays)."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def flat(strength: Tensor) -> Tensor:
    """Per-sample strength (B, 1, ...) as (B,) float32."""
    return strength.reshape(-1).float()


def signed(shape: tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Uniform draws in [-1, 1), float32, on the device of ``like``."""
    return 2 * torch.rand(shape, generator=rng, device=like.device) - 1
