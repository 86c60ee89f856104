"""Random draws from an explicit torch.Generator, on the device and in the dtype of the data they are used with."""

from __future__ import annotations

import functools
import math
import threading

import numpy as np
import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import empty

_MASK = (1 << 64) - 1
"""Keeps the lowest 64 bits of a Python integer, since SplitMix64 computes modulo 2^64."""
_OF_THREAD = threading.local()
"""The numpy generator of each thread."""
INCREMENT = 0x5851F42D4C957F2D14057B7EF767814F
"""The increment of the PCG64 generator, which may be any odd number."""
TABLE = 1 << 22
"""How many normal numbers the table has that noise on a CPU is taken from: 16 MB, and many times a usual batch."""
FEW = 1 << 13
"""The size below which normal numbers are drawn directly, because for so few the table saves no time."""


def seed_from(*parts: int) -> int:
    """Mix integers into one 63-bit seed with SplitMix64 (Steele et al. 2014); similar integers give unrelated seeds.

    All hexadecimal constants are those of that generator.
    """
    return state_after(*parts) >> 1


def state_after(*parts: int) -> int:
    """Return the 64 bits that :func:`seed_from` has come to after these parts."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part & _MASK)) & _MASK
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        state = z ^ (z >> 31)
    return state


def uniform_from(*parts: int) -> float:
    """Return a number in [0, 1) that depends on the integers alone, through :func:`seed_from`."""
    # a float holds 53 bits, so 10 of the 63 are dropped
    return (seed_from(*parts) >> 10) * 2.0**-53


def text_generator(seed: int) -> np.random.Generator:
    """Return this thread's numpy generator, set to ``seed``; it is good until the next call in this thread.

    Each string has a seed of its own, and making a new generator would take as long as editing a sentence.
    """
    return set_text_generator(seed_from(seed, 1), seed_from(seed, 2))


def set_text_generator(high: int, low: int) -> np.random.Generator:
    """Return this thread's numpy generator, its state set to two halves of 64 bits; see :func:`text_generator`."""
    if not hasattr(_OF_THREAD, "rng"):
        _OF_THREAD.rng = np.random.Generator(np.random.PCG64(0))
    rng: np.random.Generator = _OF_THREAD.rng
    state = {"state": high << 64 | low, "inc": INCREMENT}
    rng.bit_generator.state = {"bit_generator": "PCG64", "state": state, "has_uint32": 0, "uinteger": 0}
    return rng


def generator(seed: int, device: torch.device | str = "cpu") -> Generator:
    """Return a new torch generator on ``device``, set to ``seed``."""
    return Generator(device=device).manual_seed(seed)


def randn_like(x: Tensor, rng: Generator) -> Tensor:
    """Return standard normal noise of x's shape, dtype and device; it must not be changed in place.

    On a CPU the noise is a stretch of a large table of normal numbers, which is drawn once, from a random place on.
    This takes a tenth of the time of new numbers. In a batch that is larger than a quarter of the table, each row is a
    stretch of its own. The idea is from Salimans et al. 2017, Evolution strategies as a scalable alternative, section
    2.1.
    """
    return randn(x.shape, rng, x)


def randn(shape: torch.Size | tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Return noise as :func:`randn_like` does, of a shape of its own, in the dtype and on the device of ``like``."""
    dtype = like.dtype if like.is_floating_point() else torch.float32
    size = math.prod(shape)
    # more than a quarter of the table would leave too few different places to start from
    most = TABLE // 4
    if like.device.type != "cpu" or dtype is torch.float64 or size < FEW or size // shape[0] > most:
        return torch.randn(shape, generator=rng, device=like.device, dtype=dtype)
    if size <= most:
        start = int(torch.randint(TABLE - size, (1,), generator=rng))
        return _normal_table()[start : start + size].view(shape).to(dtype)
    return _rows_of_table(shape, size // shape[0], rng).to(dtype)


def _rows_of_table(shape: torch.Size | tuple[int, ...], width: int, rng: Generator) -> Tensor:
    """Return normal numbers of a shape; each row is a stretch of ``width`` numbers from a place of its own."""
    table = _normal_table()
    out = empty(shape, table)
    starts: list[int] = torch.randint(TABLE - width, (shape[0],), generator=rng).tolist()
    for row, start in zip(out.view(shape[0], -1), starts, strict=True):
        row.copy_(table[start : start + width])
    return out


@functools.cache
def _normal_table() -> Tensor:
    """Return the table of normal numbers, scaled to mean 0 and standard deviation 1; it is drawn once."""
    # dtype, device and mode are fixed here, whatever the caller's are: a tensor that was made in inference mode could
    # not be used in training
    with torch.inference_mode(False):
        numbers = torch.randn(TABLE, generator=generator(seed_from(TABLE)), dtype=torch.float32, device="cpu")
        return (numbers - numbers.mean()) / numbers.std()


def rand_like(x: Tensor, rng: Generator) -> Tensor:
    """Return uniform noise in [0, 1) of x's shape, dtype and device."""
    return rand(x.shape, rng, x)


def rand(shape: torch.Size | tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Return uniform noise in [0, 1) of a shape, in the dtype and on the device of ``like``."""
    dtype = like.dtype if like.is_floating_point() else torch.float32
    return torch.rand(shape, generator=rng, device=like.device, dtype=dtype)


def randint(high: int, shape: torch.Size | tuple[int, ...], rng: Generator, like: Tensor, low: int = 0) -> Tensor:
    """Return random integers in [low, high), on the device of ``like``."""
    return torch.randint(low, high, shape, generator=rng, device=like.device)


def on_cpu(rng: Generator) -> Generator:
    """Return a generator on the CPU for draws that decide what is to be done next, for which nobody waits for a GPU.

    This is ``rng`` itself if it is on the CPU. Otherwise it is a new one, whose seed is made of the seed and the
    position of ``rng``, and ``rng`` moves on: two calls do not give the same numbers.
    """
    if rng.device.type == "cpu":
        return rng
    state = rng.get_state().numpy().tobytes()
    torch.empty(1, device=rng.device).uniform_(generator=rng)
    return generator(seed_from(*(int.from_bytes(state[i : i + 8], "little") for i in range(0, len(state), 8))))


def picks(high: int, size: int, rng: Generator, low: int = 0) -> Tensor:
    """Return random integers (size,) in [low, high), always on the CPU; see :func:`on_cpu`."""
    return torch.randint(low, high, (size,), generator=on_cpu(rng))


def beta(alpha: float, size: int, rng: Generator, like: Tensor) -> Tensor:
    """Return draws (size,) from Beta(alpha, alpha), float32, on the device of ``like``.

    X / (X + Y) has this distribution if X and Y are Gamma(alpha) numbers. They are computed as logarithms, because they
    underflow if alpha is small, and from Gamma(alpha + 1) * U^(1 / alpha) (Marsaglia & Tsang 2000).
    """
    shape = torch.full((2, size), alpha + 1, dtype=torch.float64, device=like.device)
    uniform = torch.rand(2, size, generator=rng, device=like.device, dtype=torch.float64)
    logs = torch._standard_gamma(shape, generator=rng).log() + uniform.log() / alpha
    return torch.sigmoid(logs[0] - logs[1]).float()


def permutation(size: int, rng: Generator, like: Tensor) -> Tensor:
    """Return a random permutation of 0..size-1, on the device of ``like``."""
    return torch.randperm(size, generator=rng, device=like.device)


def numpy_generator(rng: Generator) -> np.random.Generator:
    """Return a numpy generator whose seed is the next draw of a torch generator."""
    seed = torch.randint(0, 2**62, (1,), generator=on_cpu(rng))
    return np.random.default_rng(int(seed.item()))
