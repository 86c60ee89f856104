"""Small conversions that keep arithmetic out of half precision, which is too coarse for it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def widen(x: Tensor) -> Tensor:
    """Return x in float32, or in its own dtype if that is wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def flat(strength: Tensor) -> Tensor:
    """Return the strength of each sample, (B, 1, ...), as float32 of shape (B,)."""
    return strength.reshape(-1).float()


def signed(shape: tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Return uniform draws in [-1, 1), float32, on the device of ``like``."""
    return 2 * torch.rand(shape, generator=rng, device=like.device) - 1
