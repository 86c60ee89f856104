"""Names that sources give to their arrays and columns, and labels that are classes although they look like numbers."""

import logging

import numpy as np
import pytest

from autonoise import data
from autonoise.data.labels import encode
from autonoise.data.names import array_names, label_columns
from autonoise.data.notes import Notes, told_already, unlogged
from autonoise.data.objects import collect
from autonoise.errors import DataError


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8), dtype=np.uint8)


def medmnist():
    """The arrays of a file of MedMNIST: labels are a column (n, 1)."""
    sizes = {"train": 12, "val": 6, "test": 8}
    held = {f"{part}_images": pictures(n) for part, n in sizes.items()}
    return held | {f"{part}_labels": np.arange(n)[:, None] % 2 for part, n in sizes.items()}


def test_the_arrays_of_medmnist(tmp_path):
    np.savez(tmp_path / "toymnist.npz", **medmnist())
    d = data.load(tmp_path / "toymnist.npz")
    assert d.data_type == "image" and d.x.shape == (26, 8, 8, 1) and d.class_names == ("0", "1")
    assert [(d.split == part).sum() for part in ("train", "valid", "test")] == [12, 6, 8]
    np.testing.assert_array_equal(d.x[12:18, ..., 0], pictures(6))
    held = collect(medmnist())
    assert {part: len(p.labels) for part, p in held.parts.items()} == {"train": 12, "valid": 6, "test": 8}
    assert not any(p.beside for p in held.parts.values())


@pytest.mark.parametrize(
    ("stored", "understood"),
    [
        ("Data Labels", {"x": "Data", "y": "Labels"}),
        ("train_x train_y", {"x_train": "train_x", "y_train": "train_y"}),
        ("features_dev target_dev", {"x_dev": "features_dev", "y_dev": "target_dev"}),
        ("images y", {"x": "images"}),
        ("X_train y_train train_images", {}),
        ("images data labels", {}),
        ("data", {}),
        ("labels", {}),
        ("small_images small_labels", {}),
    ],
)
def test_which_names_are_understood(stored, understood):
    assert array_names(stored.split()) == understood


def test_which_column_holds_the_labels():
    assert label_columns(["a", "Class", "labels"]) == ["Class"]
    assert label_columns(["a", "labels"]) == ["labels"]
    assert label_columns(["y", "label"]) == ["y", "label"]
    assert label_columns(["y", "label"], taken=("y", None)) == ["label"]


def test_names_of_classes_that_do_not_occur_do_not_count(tmp_path):
    np.savez(tmp_path / "a.npz", X=pictures(20), y=np.arange(20) % 2 + 7, class_names=[f"c{i}" for i in range(100)])
    assert data.load(tmp_path / "a.npz").class_names == ("c7", "c8")
    np.savez(tmp_path / "a.npz", X=pictures(20), y=np.arange(20) % 11)
    with pytest.raises(DataError, match="20 rows for 11 classes"):
        data.load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", X=pictures(20), y=np.arange(20) % 10)
    assert len(data.load(tmp_path / "a.npz").class_names) == 10


def test_training_rows_say_whether_the_target_is_continuous():
    """60 classes of 5 rows each are classes; with 10 more numbers, each once, there are 4.4 rows to a number."""
    y = np.concatenate([np.repeat(np.arange(60), 5), np.arange(100, 110)])
    assert len(encode(y, None, "a", trained=np.arange(310) < 300)[1]) == 70
    with pytest.raises(DataError, match="70 distinct numbers in 310 labels look like a continuous target"):
        encode(y, None, "a")
    with pytest.raises(DataError, match="60 distinct numbers in 299 labels"):
        encode(y, None, "a", trained=np.arange(310) < 299)
    assert len(encode(np.arange(50), None, "a")[1]) == 50  # few numbers are classes, however few rows each has
    with pytest.raises(DataError, match="51 distinct"):
        encode(np.arange(51), None, "a")


def test_clean_labels_do_not_make_a_measured_quantity_look_like_classes(tmp_path):
    y = np.repeat(np.arange(60), 4)
    np.savez(tmp_path / "a.npz", X=pictures(240), y=y, truth=y)
    with pytest.raises(DataError, match="60 distinct numbers in 240 labels"):
        data.load(tmp_path / "a.npz", clean_target="truth")


def test_notes_and_warnings_of_the_data_are_told_once(caplog):
    """A process that another one started tells nothing; where notes are shown, warnings of the split still appear."""
    d = data.Dataset(
        name="toy",
        data_type="image",
        x=pictures(40)[..., None],
        y=np.arange(40) % 2,
        class_names=("a", "b"),
        split=np.where(np.arange(40) % 4 == 0, "test", "train"),
        group=np.repeat(np.arange(10), 4),
    )

    def tell():
        Notes("toy").tell("a guess", guess=True)
        data.split(d, seed=0)

    def told():
        found = [r.getMessage() for r in caplog.records]
        caplog.clear()
        return found

    with caplog.at_level(logging.INFO, logger="autonoise"):
        tell()
        both = told()
        assert len(both) == 2 and both[0] == "toy: a guess" and "split anew by group" in both[1]
        with unlogged():
            tell()
        assert told() == both[1:]
        with told_already():
            tell()
        assert told() == []
        tell()
        assert told() == both
