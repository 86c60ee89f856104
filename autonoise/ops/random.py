"""Draws from an explicit torch.Generator, on the device and in the dtype of what they are added to."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

_MASK = (1 << 64) - 1


def seed_from(*parts: int) -> int:
    """Mix integers into one 63-bit seed (SplitMix64, Steele 2014): near keys give unrelated streams."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part & _MASK)) & _MASK
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        state = z ^ (z >> 31)
    return state >> 1


def generator(seed: int, device: torch.device | str = "cpu") -> Generator:
    """A generator on ``device`` that starts at ``seed``."""
    return Generator(device=device).manual_seed(seed)


def randn_like(x: Tensor, rng: Generator) -> Tensor:
    """Standard normal noise of x's shape, dtype and device."""
    dtype = x.dtype if x.is_floating_point() else torch.float32
    return torch.randn(x.shape, generator=rng, device=x.device, dtype=dtype)


def rand_like(x: Tensor, rng: Generator) -> Tensor:
    """Uniform noise in [0, 1) of x's shape and device."""
    return rand(x.shape, rng, x)


def rand(shape: torch.Size | tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Uniform noise in [0, 1) of a shape, on the device of ``like``."""
    dtype = like.dtype if like.is_floating_point() else torch.float32
    return torch.rand(shape, generator=rng, device=like.device, dtype=dtype)


def randint(high: int, shape: torch.Size | tuple[int, ...], rng: Generator, like: Tensor, low: int = 0) -> Tensor:
    """Integers in [low, high), on the device of ``like``."""
    return torch.randint(low, high, shape, generator=rng, device=like.device)


def beta(alpha: float, size: int, rng: Generator, like: Tensor) -> Tensor:
    """(size,) draws from Beta(alpha, alpha), float32, on the device of ``like``."""
    draws = numpy_generator(rng).beta(alpha, alpha, size=size).astype(np.float32)
    return torch.from_numpy(draws).to(like.device)


def permutation(size: int, rng: Generator, like: Tensor) -> Tensor:
    """A random permutation of 0..size-1, on the device of ``like``."""
    return torch.randperm(size, generator=rng, device=like.device)


def numpy_generator(rng: Generator) -> np.random.Generator:
    """A numpy generator seeded by the next draw of a torch generator."""
    seed = torch.randint(0, 2**62, (1,), generator=rng, device=rng.device)
    return np.random.default_rng(int(seed.item()))
