"""Columns that alone nearly give the label: what counts as nearly, and how rows and columns are judged."""

import numpy as np
import pandas as pd
import pytest

from autonoise.data.leaks import suspects


def found(y, **columns):
    return [name for name, _, _ in suspects(pd.DataFrame(columns), np.asarray(y))]


def test_each_half_is_judged_by_the_other():
    """Of 200 rows 4 of one half are wrong: 196 / 200 over both halves, not 192 or 200 as one half twice would give."""
    y = np.random.default_rng(0).permutation(np.arange(200) % 2)
    wrong = y.copy()
    order = np.random.default_rng(0).permutation(200)  # as the rows are drawn: the first hundred are one half
    wrong[order[:4]] = 1 - wrong[order[:4]]
    ((name, accuracy, chance),) = suspects(pd.DataFrame({"k": wrong.astype(str)}), y)
    assert (name, chance) == ("k", 0.5) and accuracy == pytest.approx(196 / 200)
    wrong[order[100:102]] = 1 - wrong[order[100:102]]
    assert not found(y, k=wrong.astype(str))  # 194 of 200 right: 94 % of the way from 0.5 to 1


def test_nearly_is_95_percent_of_the_way_from_chance_to_one():
    y = np.arange(1000) % 2
    for errors, told in ((25, True), (26, False)):
        k = y.copy()
        k[:errors] = 1 - k[:errors]
        assert bool(found(y, k=k.astype(str))) is told


def test_few_rows_and_many_columns():
    y = np.arange(50) % 2
    assert found(y, k=y.astype(str)) == ["k"] and not found(y[:49], k=y[:49].astype(str))
    wide = {f"c{i}": np.zeros(50) for i in range(200)} | {"c200": y.astype(str)}
    assert not found(y, **wide)
    assert found(y, **(wide | {"c199": y.astype(str)})) == ["c199"]


def test_numbers_are_cut_into_ranges_and_missing_cells_are_one_more():
    """The label is the parity of a number from 0 to 4: many ranges tell it, two do not."""
    rng = np.random.default_rng(1)
    value = rng.uniform(0, 4, 4000)
    y = value.astype(int) % 2
    assert found(y, value=value) == ["value"]
    missing = np.where(y == 1, np.nan, rng.uniform(0, 1, 4000))
    assert found(y, missing=missing, noise=rng.uniform(0, 1, 4000)) == ["missing"]
    assert found(y, missing=np.where(y == 1, None, "a")) == ["missing"]


def test_a_category_that_the_other_half_lacks_is_the_commonest_class():
    """Every row of the common class has a category of its own, all rows of the rare one share one: told apart."""
    y = (np.arange(200) % 10 != 0).astype(int)
    assert found(y, k=np.where(y == 1, [f"id {i}" for i in range(200)], "rare")) == ["k"]
