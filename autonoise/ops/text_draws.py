"""Random numbers for many strings at once, the very numbers that a generator of each string's own would give.

Setting a generator for each string takes longer than editing a sentence; here a few NumPy operations serve them all.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from autonoise.ops.random import INCREMENT, set_text_generator, state_after

Words = NDArray[np.uint64]
MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
"""The multiplier of the PCG64 generator (O'Neill 2014) in NumPy."""
FEW = 64
"""Up to so many numbers for each string are computed for all strings at once; for more, generators are faster."""
_HALVES = np.array([[1], [2]], dtype=np.uint64)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def seeds_from(parts: Sequence[int], each: Sequence[int] | NDArray[np.integer], *after: int | Words) -> Words:
    """Return ``seed_from(*parts, e, *after)`` for each e of ``each``, (N,)."""
    # the constants are those of SplitMix64, as in ``seed_from``; unsigned numbers of NumPy wrap around by themselves
    state: Words = np.array([state_after(*parts)], dtype=np.uint64)
    for part in (np.asarray(each).astype(np.uint64), *(np.asarray(a, dtype=np.uint64) for a in after)):
        state = (state ^ part) + np.uint64(0x9E3779B97F4A7C15)
        z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = z ^ (z >> np.uint64(31))
    return state >> np.uint64(1)


def uniforms_from(parts: Sequence[int], each: Sequence[int] | NDArray[np.integer], *after: int) -> NDArray[np.float64]:
    """Return ``uniform_from(*parts, e, *after)`` for each e of ``each``, (N,) numbers in [0, 1)."""
    return (seeds_from(parts, each, *after) >> np.uint64(10)).astype(np.float64) * 2.0**-53


class Numbers:
    """Uniform numbers in [0, 1), one after another, as ``random()`` of a generator gives them.

    Attributes:
        one: returns the next number.
    """

    __slots__ = ("_left", "one")

    def __init__(self, numbers: Iterator[float]) -> None:
        self._left, self.one = numbers, numbers.__next__

    @classmethod
    def of(cls, rng: np.random.Generator) -> Numbers:
        """The numbers of a generator, drawn when they are asked for."""
        return cls(iter(rng.random, None))

    def several(self, count: int) -> list[float]:
        """Return the next ``count`` numbers."""
        return list(islice(self._left, count))


class TextDraws:
    """What a technique may draw for each of N strings, of which each has a seed (N,)."""

    def __init__(self, seeds: Words) -> None:
        # the two halves of the state that ``text_generator`` sets
        self._high, self._low = seeds_from((), seeds, _HALVES)
        self._skip = 0

    def after(self, used: int) -> TextDraws:
        """Return the draws that are left when so many numbers of each string have been used."""
        left = copy.copy(self)
        left._skip += used
        return left

    def uniform(self, count: int) -> NDArray[np.float64]:
        """Return for each string the numbers that ``random(count)`` of its generator would give, (N, count)."""
        factors, shifts = _jumps(self._skip + count)
        high, low = _product(self._high[:, None], self._low[:, None], *factors[:, self._skip :])
        low = low + shifts[1, self._skip :]
        high = high + shifts[0, self._skip :] + (low < shifts[1, self._skip :])
        # the output function XSL-RR: both halves are mixed, and turned right by the uppermost six bits
        mixed, turn = high ^ low, high >> np.uint64(58)
        bits = (mixed >> turn) | (mixed << ((np.uint64(64) - turn) & np.uint64(63)))
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def numbers(self, most: int) -> Iterator[Numbers]:
        """Yield the numbers of each string in turn, of which at most ``most`` may be taken."""
        if most > FEW:
            return (Numbers.of(rng) for rng in self.generators())
        return (Numbers(iter(row)) for row in self.uniform(most).tolist())

    def generators(self) -> Iterator[np.random.Generator]:
        """Yield the generator of each string in turn; it is the same object each time, and good until the next one."""
        for high, low in zip(self._high.tolist(), self._low.tolist(), strict=True):
            rng = set_text_generator(high, low)
            if self._skip:
                rng.random(self._skip)
            yield rng


def _product(high: Words, low: Words, other_high: Words, other_low: Words) -> tuple[Words, Words]:
    """Return the lowest 128 bits of the products of numbers of 128 bits, as an upper and a lower half."""
    a, b, c, d = low >> _HALF, low & _LOW, other_low >> _HALF, other_low & _LOW
    first = b * d
    second = a * d + (first >> _HALF)
    third = b * c + (second & _LOW)
    carried = a * c + (second >> _HALF) + (third >> _HALF)
    return carried + high * other_low + low * other_high, low * other_low


def _jumps(count: int) -> tuple[Words, Words]:
    """Return (factors, shifts), halves (2, count): after n = 1 ... count steps a state s is factor * s + shift."""
    # powers of two: texts of every length would leave a table of their own in memory
    factors, shifts = _table_of_jumps(1 << max(count - 1, 0).bit_length())
    return factors[:, :count], shifts[:, :count]


@functools.cache
def _table_of_jumps(count: int) -> tuple[Words, Words]:
    factor, shift, found = 1, 0, []
    for _ in range(count):
        factor, shift = factor * MULTIPLIER % 2**128, (shift * MULTIPLIER + INCREMENT) % 2**128
        found.append((factor >> 64, factor % 2**64, shift >> 64, shift % 2**64))
    table = np.array(found, dtype=np.uint64).reshape(-1, 4).T
    return table[:2], table[2:]
