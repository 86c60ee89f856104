"""Limits of what counts as a class, and words that are no label."""

import numpy as np
import pytest

from autonoise.data.base import Raw
from autonoise.data.labels import encode, finish
from autonoise.errors import DataError


def classes(labels, **more):
    x = np.zeros((len(labels), 4, 4, 1), dtype=np.uint8)
    return finish(Raw("image", x, np.array(labels), **more), name="toy", where="toy").class_names


@pytest.mark.parametrize(("rows", "kept"), [(4, ("a", "b")), (5, ("a", "b", "c"))])
def test_a_class_of_groups_needs_five_rows(rows, kept):
    labels = ["a"] * 20 + ["b"] * 20 + ["c"] * rows
    assert classes(labels, group=np.arange(len(labels))) == kept


@pytest.mark.parametrize("word", ["?", "", "nan", "NaN", " inf", "-Infinity"])
def test_words_that_are_no_label(word):
    with pytest.raises(DataError, match="missing or infinite label in row 2"):
        encode(np.array(["a", "b", word], dtype=object), None, "toy")


def test_a_row_whose_clean_label_is_of_a_rare_class_goes_with_it():
    labels = ["a"] * 10 + ["b"] * 10
    clean = np.array(["a"] * 9 + ["z"] + ["b"] * 10)
    assert classes(labels, clean=clean) == ("a", "b")


def test_names_must_reach_every_number():
    assert encode(np.array([0, 1, 1]), ("no", "yes"), "toy")[1] == ("no", "yes")
    for wrong in ([0, 2], [-1, 1]):
        with pytest.raises(DataError, match="has no name among 2 class_names"):
            encode(np.array(wrong), ("no", "yes"), "toy")
