"""The user's own noise clips: which are trained with and which are judged with."""

from __future__ import annotations

import numpy as np
import torch

from autonoise.ops.clips import Clips
from autonoise.study.noise_data import HELD_OUT, TRAIN, by, halves


def clips(n: int, sources: tuple[str, ...] = (), said: tuple[str, ...] = ()) -> Clips:
    empty = ("",) * n
    return Clips(torch.zeros(n), torch.arange(n), torch.ones(n, dtype=torch.long), sources or empty, said or empty)


def test_clips_of_one_source_stay_together() -> None:
    """Clips in turns (rain, dog, rain, dog ...) gave one kind to each half, pieces of one recording were in both."""
    sources = tuple(f"s{i // 3}" for i in range(24))
    found = halves(clips(24, sources))
    for source in set(sources):
        assert len(set(found[np.array(sources) == source])) == 1
    assert (found == TRAIN).sum() == (found == HELD_OUT).sum() == 12
    assert by(clips(24, sources)) == " (clips of one source stay together)"


def test_one_long_source_does_not_tip_the_balance() -> None:
    sources = ("long",) * 10 + tuple(f"short{i}" for i in range(10))
    found = halves(clips(20, sources))
    assert abs(int((found == TRAIN).sum()) - 10) <= 1


def test_without_sources_the_halves_are_random_and_always_the_same() -> None:
    found = halves(clips(40))
    assert (found == TRAIN).sum() == 20
    turns = np.array([TRAIN, HELD_OUT] * 20)
    assert 8 <= (found == turns).sum() <= 32  # not every second one
    np.testing.assert_array_equal(found, halves(clips(40)))
    assert set(halves(clips(2))) == {TRAIN, HELD_OUT}


def test_what_the_file_says_is_followed() -> None:
    said = (HELD_OUT, TRAIN, TRAIN, TRAIN)
    assert tuple(halves(clips(4, said=said))) == said
    assert by(clips(4, said=said)) == " (as the file says)"
