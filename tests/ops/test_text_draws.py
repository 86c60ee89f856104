"""Draws for many strings at once are those of NumPy's generator and of SplitMix64 for each of them."""

from __future__ import annotations

import numpy as np
import pytest

from autonoise.ops.random import INCREMENT, seed_from, text_generator, uniform_from
from autonoise.ops.text_draws import FEW, Numbers, TextDraws, seeds_from, uniforms_from

EACH = [0, 1, 5, -3, 2**40, 2**62 + 7]


def test_seeds_are_those_of_each_by_itself() -> None:
    parts = (2**63 + 5, 3)
    assert seeds_from(parts, EACH, 2, 1).tolist() == [seed_from(*parts, e, 2, 1) for e in EACH]
    assert seeds_from((), np.array(EACH)).tolist() == [seed_from(e) for e in EACH]
    assert uniforms_from(parts, EACH, 0).tolist() == [uniform_from(*parts, e, 0) for e in EACH]


def test_numbers_are_those_of_numpys_own_pcg64() -> None:
    """The state is set through NumPy alone, with halves taken from ``seed_from``; 3,000 rows meet every carry."""
    seeds = seeds_from((1,), range(3000))
    ours = TextDraws(seeds).uniform(7)
    for row in range(0, 3000, 37):
        seed = int(seeds[row])
        bits = np.random.PCG64(0)
        state = (seed_from(seed, 1) << 64) + seed_from(seed, 2)
        bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": INCREMENT},
            "has_uint32": 0,
            "uinteger": 0,
        }
        assert np.array_equal(np.random.Generator(bits).random(7), ours[row])
    every = np.stack([rng.random(7) for rng in TextDraws(seeds).generators()])
    assert np.array_equal(every, ours)


@pytest.mark.parametrize("most", [5, FEW + 1])
def test_few_and_many_numbers_are_the_same_stream(most: int) -> None:
    seeds = seeds_from((9,), range(4))
    wanted = [text_generator(int(s)).random(6).tolist() for s in seeds]
    found = []
    for numbers in TextDraws(seeds).after(1).numbers(most):
        found.append([numbers.one(), *numbers.several(3), numbers.one()])
    assert found == [row[1:] for row in wanted]


def test_numbers_of_a_generator_are_drawn_when_asked_for() -> None:
    rng = np.random.default_rng(4)
    one = Numbers.of(rng).one()
    again = np.random.default_rng(4).random(2).tolist()
    assert [one, rng.random()] == again
