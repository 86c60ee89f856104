"""Splits: disjoint, stratified, grouped, reproducible."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from autonoise.data import Dataset, split, summary
from autonoise.errors import DataError
from autonoise.types import DataType


def make(y, **kw):
    y = np.asarray(y)
    return Dataset("toy", DataType.TABULAR, np.zeros((len(y), 1)), y, tuple(map(str, range(y.max() + 1))), **kw)


def parts_of(s):
    return [(f.train, f.search, f.confirm, s.test) for f in s.folds]


def check_disjoint(s, n):
    for parts in parts_of(s):
        joined = np.concatenate(parts)
        assert len(np.unique(joined)) == len(joined) and all(len(p) for p in parts)
        assert joined.min() >= 0 and joined.max() < n


def test_large_data_makes_one_fold_of_known_sizes():
    y = np.random.default_rng(0).choice(3, size=5000, p=[0.7, 0.25, 0.05])
    s = split(make(y), seed=0)
    check_disjoint(s, 5000)
    (f,) = s.folds
    assert [len(p) for p in (s.test, f.search, f.confirm, f.train)] == [1000, 600, 600, 2800]
    for p in (s.test, f.search, f.confirm, f.train):
        np.testing.assert_allclose(np.bincount(y[p]) / len(p), np.bincount(y) / 5000, atol=0.003)


def test_caps_keep_shares_and_every_class():
    y = np.array([0] * 9000 + [1] * 990 + [2] * 10)
    s = split(make(y), seed=0, train_rows=500, search_rows=100, confirm_rows=50, test_rows=60)
    (f,) = s.folds
    assert [len(p) for p in (f.train, f.search, f.confirm, s.test)] == [500, 100, 50, 60]
    assert set(y[f.train]) == {0, 1, 2}
    assert abs((y[f.train] == 1).mean() - 0.099) < 0.01


@pytest.mark.parametrize(("data_type", "sizes"), [("tabular", (8000, 4000, 4000)), ("image", (2000, 1000, 1000))])
def test_tables_are_judged_on_more_rows_because_it_is_cheap(data_type, sizes):
    data = dataclasses.replace(make(np.arange(50_000) % 2), data_type=DataType(data_type))
    s = split(data, seed=0)
    assert (len(s.test), len(s.folds[0].search), len(s.folds[0].confirm)) == sizes
    assert len(s.folds[0].train) == 10_000


def test_small_data_makes_three_folds_and_never_confirms_on_searched_rows():
    y = np.arange(500) % 4
    s = split(make(y), seed=3)
    check_disjoint(s, 500)
    assert len(s.folds) == 3 and len(s.test) == 100
    for f in s.folds:
        assert (len(f.train), len(f.search), len(f.confirm)) == (240, 80, 80)
        assert set(Counter(y[f.search]).values()) == {20}
    searched = np.concatenate([f.search for f in s.folds])
    confirmed = np.concatenate([f.confirm for f in s.folds])
    assert not set(searched) & set(confirmed)


def test_a_class_of_five_rows_is_in_every_train_part():
    y = np.array([0] * 100 + [1] * 100 + [2] * 5)
    for seed in range(10):
        s = split(make(y), seed=seed)
        assert all(2 in y[f.train] for f in s.folds) and 2 in y[s.test]


def test_many_small_classes():
    y = np.arange(300) % 60
    s = split(make(y), seed=0)
    check_disjoint(s, 300)
    assert all(len(set(y[f.train])) == 60 for f in s.folds)


def test_official_parts():
    official = np.array(["train"] * 2500 + ["valid"] * 400 + ["test"] * 300)
    s = split(make(np.arange(3200) % 2, split=official), seed=0)
    (f,) = s.folds
    assert set(official[s.test]) == {"test"} and len(s.test) == 300
    assert list(f.train) == list(range(2500))
    assert sorted([*f.search, *f.confirm]) == list(range(2500, 2900)) and len(f.search) == 200


def test_few_official_valid_rows_join_the_rest():
    official = np.array(["train"] * 900 + ["valid"] * 100 + ["test"] * 100)
    s = split(make(np.arange(1100) % 2, split=official), seed=0)
    assert len(s.folds) == 3 and list(s.test) == list(range(1000, 1100))
    used = np.concatenate(parts_of(s)[0][:3])
    assert sorted(used) == list(range(1000))


def test_no_official_test_part():
    official = np.array(["train"] * 2000 + ["valid"] * 300)
    s = split(make(np.arange(2300) % 2, split=official), seed=0)
    assert set(official[s.test]) == {"train"} and len(s.test) == 400
    check_disjoint(s, 2300)


@pytest.mark.parametrize(
    ("n", "groups", "folds"), [(4000, 6, 1), (4000, 200, 1), (4000, 1500, 1), (600, 5, 2), (600, 60, 3)]
)
def test_groups_stay_together(n, groups, folds):
    rng = np.random.default_rng(0)
    group = rng.integers(0, groups, n)
    s = split(make(rng.integers(0, 3, n), group=group), seed=0)
    check_disjoint(s, n)
    assert len(s.folds) == folds
    for parts in parts_of(s):
        held = [set(group[p]) for p in parts]
        assert sum(map(len, held)) == len(set.union(*held))


def test_groups_win_over_an_official_split(caplog):
    official = np.array(["train", "test"] * 1500)
    group = np.arange(3000) // 300
    s = split(make(np.arange(3000) % 3, split=official, group=group), seed=0)
    assert "split anew by group" in caplog.text
    data = make(np.arange(3000) % 3, split=official, group=group)
    told = summary.lines(data)
    assert "1,500 train, 1,500 test of an official split that is given up" in told[0]
    assert told[-1].startswith("note  groups are in several parts of the official split: split anew by group")
    kept = summary.lines(make(np.arange(3000) % 3, split=official))
    assert "given up" not in kept[0] and "anew" not in kept[-1]
    assert not set(group[s.test]) & set(group[s.folds[0].train])


def test_groups_that_keep_to_the_official_test_part(caplog):
    official = np.array(["train"] * 2400 + ["test"] * 600)
    s = split(make(np.arange(3000) % 3, split=official, group=np.arange(3000) // 100), seed=0)
    assert not caplog.text and list(s.test) == list(range(2400, 3000))


def test_same_seed_same_split():
    d = make(np.arange(900) % 3, group=np.arange(900) // 9)
    a, b, c = (split(d, seed=s) for s in (1, 1, 2))
    same = [
        np.array_equal(p, q) for x, y in zip(parts_of(a), parts_of(b), strict=True) for p, q in zip(x, y, strict=True)
    ]
    assert all(same) and not np.array_equal(a.test, c.test)
    assert not np.array_equal(
        split(dataclasses.replace(d, group=None), seed=1).test, split(dataclasses.replace(d, group=None), seed=2).test
    )


def test_a_class_that_the_test_part_lacks_is_told(caplog):
    official = np.array(["train"] * 2400 + ["test"] * 600)
    split(make([0, 1] * 1200 + [0] * 600, split=official), seed=0)
    assert "no test row of class '1'" in caplog.text


@pytest.mark.parametrize(
    ("d", "kw", "match"),
    [
        (make([0, 1] * 4), {"train_rows": 1}, "train_rows >= 2"),
        (make([0, 1] * 100), {"search_rows": 0}, "search_rows >= 1"),
        (make([0, 1, 0]), {}, "cannot be split"),
        (make([0, 1] * 100, group=np.zeros(200, int)), {}, "4 groups"),
        (make(np.arange(400) // 100, group=np.arange(400) // 100), {}, "is not in every train part"),
    ],
)
def test_refusals(d, kw, match):
    with pytest.raises(DataError, match=match):
        split(d, seed=0, **kw)


def test_dataset_refuses_wrong_lengths():
    with pytest.raises(DataError, match="group has shape"):
        make([0, 1] * 5, group=np.zeros(3))


@pytest.mark.parametrize("rows", [100, 400, 3000])
@pytest.mark.parametrize("rare", [2, 3, 4])
def test_classes_of_few_rows_are_in_every_train_part_and_in_the_test_part(rows, rare):
    y = np.r_[np.arange(rows) % 3, [3] * rare, [4] * rare]
    for seed in range(5):
        s = split(make(y), seed=seed)
        check_disjoint(s, len(y))
        assert all(set(y[f.train]) == set(range(5)) for f in s.folds) and set(y[s.test]) == set(range(5))


def test_one_training_row_is_enough_beside_official_test_rows():
    y = np.r_[np.arange(300) % 3, 3, np.arange(90) % 3, [3] * 10]
    official = np.array(["train"] * 301 + ["test"] * 100)
    for seed in range(5):
        s = split(make(y, split=official), seed=seed)
        check_disjoint(s, len(y))
        assert all(300 in f.train for f in s.folds) and (y[s.test] == 3).sum() == 10
