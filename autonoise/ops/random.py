"""Draws from an explicit torch.Generator, on the device and in the dtype of what they are added to."""

from __future__ import annotations

import functools
import math
import threading

import numpy as np
import torch
from torch import Generator, Tensor

_MASK = (1 << 64) - 1
_OF_THREAD = threading.local()
_INCREMENT = 0x5851F42D4C957F2D14057B7EF767814F
"""Of PCG64: any odd number."""
TABLE = 1 << 22
"""Normal numbers in the table that noise on a CPU is taken from: 16 MB, many times a batch."""
FEW = 1 << 13
"""Fewer numbers than these are drawn afresh, which is as fast."""


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


def uniform_from(*parts: int) -> float:
    """A number in [0, 1) that depends on integers as :func:`seed_from` does."""
    return (seed_from(*parts) >> 10) * 2.0**-53


def text_generator(seed: int) -> np.random.Generator:
    """This thread's numpy generator, started at ``seed``; good until the next call.

    For raw strings, of which each has its own: making a generator takes as long as editing a sentence.
    """
    if not hasattr(_OF_THREAD, "rng"):
        _OF_THREAD.rng = np.random.Generator(np.random.PCG64(0))
    rng: np.random.Generator = _OF_THREAD.rng
    state = {"state": seed_from(seed, 1) << 64 | seed_from(seed, 2), "inc": _INCREMENT}
    rng.bit_generator.state = {"bit_generator": "PCG64", "state": state, "has_uint32": 0, "uinteger": 0}
    return rng


def generator(seed: int, device: torch.device | str = "cpu") -> Generator:
    """A generator on ``device`` that starts at ``seed``."""
    return Generator(device=device).manual_seed(seed)


def randn_like(x: Tensor, rng: Generator) -> Tensor:
    """Standard normal noise of x's shape, dtype and device; not to be changed in place.

    On a CPU a stretch, from a random place on, of a table of normal numbers that is drawn once (Salimans et al. 2017,
    Evolution strategies as a scalable alternative, section 2.1): a tenth of the time of fresh numbers.
    """
    return randn(x.shape, rng, x)


def randn(shape: torch.Size | tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """As :func:`randn_like`, of a shape of its own."""
    dtype = like.dtype if like.is_floating_point() else torch.float32
    size = math.prod(shape)
    if like.device.type != "cpu" or dtype is torch.float64 or not FEW <= size <= TABLE // 4:
        return torch.randn(shape, generator=rng, device=like.device, dtype=dtype)
    start = int(torch.randint(TABLE - size, (1,), generator=rng))
    return _normal_table()[start : start + size].view(shape).to(dtype)


@functools.cache
def _normal_table() -> Tensor:
    # whatever is the default where it is first asked for; drawn in inference mode, it could not serve training
    with torch.inference_mode(False):
        numbers = torch.randn(TABLE, generator=generator(seed_from(TABLE)), dtype=torch.float32, device="cpu")
        return (numbers - numbers.mean()) / numbers.std()


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
    """(size,) draws from Beta(alpha, alpha), float32, on the device of ``like``.

    X / (X + Y) of two Gamma(alpha) numbers, in logarithms, since they underflow where alpha is small; Gamma(alpha) as
    Gamma(alpha + 1) * U^(1 / alpha) (Marsaglia & Tsang 2000).
    """
    shape = torch.full((2, size), alpha + 1, dtype=torch.float64, device=like.device)
    uniform = torch.rand(2, size, generator=rng, device=like.device, dtype=torch.float64)
    logs = torch._standard_gamma(shape, generator=rng).log() + uniform.log() / alpha
    return torch.sigmoid(logs[0] - logs[1]).float()


def permutation(size: int, rng: Generator, like: Tensor) -> Tensor:
    """A random permutation of 0..size-1, on the device of ``like``."""
    return torch.randperm(size, generator=rng, device=like.device)


def numpy_generator(rng: Generator) -> np.random.Generator:
    """A numpy generator seeded by the next draw of a torch generator."""
    seed = torch.randint(0, 2**62, (1,), generator=rng, device=rng.device)
    return np.random.default_rng(int(seed.item()))
