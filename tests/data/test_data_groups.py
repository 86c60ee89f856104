"""Groups that a source brings along are used unless the caller says none, and it is told."""

import logging

import numpy as np
import pytest

from autonoise import data
from autonoise.data.groups import group_names, too_few
from autonoise.errors import DataError


def clips(tmp_path, **arrays):
    x = np.random.default_rng(0).normal(0, 0.1, (60, 40)).astype(np.float32)
    np.savez(tmp_path / "a.npz", X_train=x[:40], X_test=x[40:], y_train=np.arange(40) % 2, y_test=np.arange(20) % 2,
             sample_rate=8000, **arrays)  # fmt: skip
    return tmp_path / "a.npz"


@pytest.mark.parametrize("name", ["group", "speaker", "Subject", "patient_id", "sessions"])
def test_groups_of_an_npz_are_used_by_default(tmp_path, name, caplog):
    train, test = np.repeat(np.arange(8), 5), np.repeat([8, 9], 10)
    path = clips(tmp_path, **{f"{name}_train": train, f"{name}_test": test})
    d = data.load(path)
    assert list(d.group) == list(train) + list(test)
    assert "10 groups; --group none" in " ".join(d.notes) and "--group none" in caplog.text
    fold = data.split(d, seed=0).folds[0]
    for a, b in ((fold.train, fold.search), (fold.train, fold.confirm), (fold.search, fold.confirm)):
        assert not np.isin(d.group[a], d.group[b]).any()
    assert set(d.group[data.split(d, seed=0).test]) == {8, 9}


def test_group_none_opts_out_and_a_named_group_comes_first(tmp_path):
    arrays = {"group_train": np.repeat(np.arange(8), 5), "group_test": np.repeat([8, 9], 10)}
    take = {"take_train": np.arange(40), "take_test": np.arange(20) + 40}
    path = clips(tmp_path, **arrays, **take)
    free = data.load(path, group="none")
    assert free.group is None and free.notes == ()
    assert len(set(data.load(path, group="take").group)) == 60


def test_groups_that_cannot_be_divided_are_told_and_left(tmp_path, caplog):
    two = {"speaker_train": np.arange(40) % 2, "speaker_test": np.full(20, 7)}
    d = data.load(clips(tmp_path, **two))
    assert d.group is None and "2 groups cannot be divided over 3 parts" in caplog.text
    d = data.load(clips(tmp_path, group=np.arange(3)))
    assert d.group is None and "one value per row" in d.notes[0]


def test_groups_across_the_official_split_say_how_to_keep_it(tmp_path, caplog):
    six = {"speaker_train": np.arange(40) % 6, "speaker_test": np.arange(20) % 6}
    d = data.load(clips(tmp_path, **six))
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        parts = data.split(d, seed=0)
    assert "--group none keeps it" in caplog.text
    assert not np.isin(d.group[parts.test], d.group[parts.folds[0].train]).any()


def test_names_and_their_order():
    assert group_names(["session", "age", "Patient ID", "speaker_names", "SubjectID"]) == [
        "Patient ID", "SubjectID", "session",
    ]  # fmt: skip
    assert group_names(["groups", "group"]) == ["groups", "group"]


def test_how_many_groups_are_enough():
    parts = np.array(["train"] * 4 + ["test"] * 4)
    assert not too_few(np.array([0, 1, 2, 2, 3, 3, 3, 3]), parts)
    assert too_few(np.array([0, 1, 1, 1, 3, 3, 4, 5]), parts)
    assert not too_few(np.arange(8) % 4, None)
    assert too_few(np.arange(8) % 3, None)
    assert too_few(np.arange(8) % 3, parts)  # shared by both parts: split anew, in four


def test_names_and_texts_stored_as_bytes(tmp_path):
    texts = np.array([f"na\u00efve text {i}".encode() for i in range(20)])
    np.savez(tmp_path / "a.npz", X=texts, y=np.arange(20) % 2, class_names=np.array([b"no", b"yes"]))
    d = data.load(tmp_path / "a.npz")
    assert d.x[3] == "na\u00efve text 3" and d.class_names == ("no", "yes")
    np.savez(tmp_path / "a.npz", X=texts, y=np.arange(20) % 2, class_names=np.array(["yes", "yes"]))
    with pytest.raises(DataError, match="class_names holds 'yes' twice"):
        data.load(tmp_path / "a.npz")


def test_parts_of_arrays_in_any_spelling(tmp_path, caplog):
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    arrays = {"X_training": x, "y_training": y, "X_DEV": x + 1, "y_dev": y, "x_testing": x + 2, "y_testing": y}
    groups = {"subject_training": y + np.arange(20), "subject_dev": y + 40, "subject_testing": y + 60}
    np.savez(tmp_path / "a.npz", **arrays, **groups)
    d = data.load(tmp_path / "a.npz")
    assert list(d.split) == ["train"] * 20 + ["valid"] * 20 + ["test"] * 20
    np.testing.assert_array_equal(d.x.to_numpy()[:, 1], np.concatenate([x, x + 1, x + 2])[:, 1])
    assert list(d.group[20:24]) == [d.group[20], d.group[21]] * 2
    np.savez(tmp_path / "a.npz", **arrays, X_mean=x[0])
    data.load(tmp_path / "a.npz")
    assert "array X_mean is left out" in caplog.text
    np.savez(tmp_path / "a.npz", **arrays, X_val=x, y_val=y)
    with pytest.raises(DataError, match="X_DEV and X_val are both the valid part"):
        data.load(tmp_path / "a.npz")
