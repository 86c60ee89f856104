"""Folders as people have them: other names of splits, folders without data, files of other types, links."""

import logging

import numpy as np
import pytest
from PIL import Image

from autonoise import data
from autonoise.data.names import split_name
from autonoise.errors import DataError


def picture(path, n=6, suffix=".png", value=200):
    """n grey pictures in the folder ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    options = {"lossless": True} if suffix == ".webp" else {}
    for i in range(n):
        Image.fromarray(np.full((4, 4), value - i, dtype=np.uint8)).save(path / f"{i}{suffix}", **options)


def text(path, body="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)


def refused(match, root, **kw):
    with pytest.raises(DataError, match=match) as e:
        data.load(root, **kw)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("train", "other", "part"),
    [("train", "test", "test"), ("Training", "Testing", "test"), ("TRAIN", "TEST", "test"),
     ("training", "eval", "valid"), ("train_set", "test_set", "test"), ("Train", "dev", "valid"),
     ("train", "Validation", "valid"), ("train", "val", "valid"),
     ("TrainingSet", "validate", "valid"), ("seg_train", "seg_test", "test"),
     ("train_images", "valid_images", "valid")],
)  # fmt: skip
def test_names_of_splits(tmp_path, train, other, part):
    for c in ("cat", "dog"):
        picture(tmp_path / train / c)
        picture(tmp_path / other / c, n=2)
    d = data.load(tmp_path)
    assert d.class_names == ("cat", "dog") and len(d) == 16
    assert sorted(d.split) == sorted(["train"] * 12 + [part] * 4)


@pytest.mark.parametrize("word", ["latest", "trained", "contest", "value", "train_test", "device", "cat", ""])
def test_words_that_are_no_splits(word):
    assert split_name(word) is None and split_name(word, words=True) is None


def test_folders_without_data_are_passed_over(tmp_path, caplog):
    for part in ("train", "test"):
        for c in ("cat", "dog"):
            picture(tmp_path / part / c)
    text(tmp_path / "annotations" / "deep" / "a.xml")
    text(tmp_path / ".git" / "config")
    text(tmp_path / "__MACOSX" / "._0.png")
    text(tmp_path / "train" / "labels" / "all.csv")
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        d = data.load(tmp_path)
    assert d.class_names == ("cat", "dog") and (d.split == "test").sum() == 12
    assert "passed over: '__MACOSX', 'annotations'" in caplog.text and "passed over: 'labels'" in caplog.text


def test_names_of_splits_never_become_classes(tmp_path):
    for folder in ("train/cat", "train/dog", "test/cat", "test/dog", "masks"):
        picture(tmp_path / folder)
    refused("'test' and 'train' would become classes.*'masks' beside them is not", tmp_path)
    for folder in ("a", "b"):
        picture(tmp_path / "two" / folder)
    for name in ("test", "val"):
        picture(tmp_path / "two" / name)
        refused(f"'{name}'.* would become classes", tmp_path / "two")
    for name in ("test", "val"):
        picture(tmp_path / "three" / name / "cat")
    refused("'test' and 'val' would become classes.*none is named train", tmp_path / "three")
    for name in ("seg_train", "seg_test", "seg_pred"):
        picture(tmp_path / "four" / name / "cat")
        picture(tmp_path / "four" / name / "dog")
    refused("'seg_pred' beside them is not", tmp_path / "four")
    picture(tmp_path / "five" / "train")
    picture(tmp_path / "five" / "test")
    refused("train: no class folders in it", tmp_path / "five")


def test_a_train_is_a_vehicle_too(tmp_path):
    for c in ("bus", "car", "train"):
        picture(tmp_path / c)
    d = data.load(tmp_path)
    assert d.class_names == ("bus", "car", "train") and d.split is None
    assert "folder 'train' is taken for a class: it holds no class folders" in d.notes


def test_test_pictures_without_labels_are_left_out(tmp_path, caplog):
    for c in ("cat", "dog"):
        picture(tmp_path / "train" / c)
    picture(tmp_path / "train", n=2)
    picture(tmp_path / "test", n=3)
    d = data.load(tmp_path)
    assert len(d) == 12 and set(d.split) == {"train"}
    assert "'test' has no class folders" in caplog.text and "2 files beside the class folders" in caplog.text


def test_wrappers_and_splits_inside_of_classes(tmp_path):
    for c in ("cat", "dog"):
        picture(tmp_path / "one" / "archive" / "pets" / c)
        picture(tmp_path / "two" / c / "Train", n=5)
        picture(tmp_path / "two" / c / "Test", n=2)
        picture(tmp_path / "three" / "seg_train" / "seg_train" / c)
        picture(tmp_path / "three" / "seg_test" / "seg_test" / c, n=1)
    d = data.load(tmp_path / "one")
    assert d.class_names == ("cat", "dog") and "looked for in 'pets'" in " ".join(d.notes)
    d = data.load(tmp_path / "two")
    assert d.class_names == ("cat", "dog") and (d.split == "test").sum() == 4 and len(d) == 14
    d = data.load(tmp_path / "three")
    assert d.class_names == ("cat", "dog") and (d.split == "test").sum() == 2 and len(d) == 14


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".gif", ".webp", ".bmp", ".png", ".PNG", ".ppm", ".pgm", ".tga"])
def test_picture_types(tmp_path, suffix):
    for c, value in (("a", 30), ("b", 200)):
        picture(tmp_path / c, suffix=suffix, value=value)
    d = data.load(tmp_path)
    assert d.x.shape[0] == 12 and (d.x[:, 0, 0, 0] == [*range(30, 24, -1), *range(200, 194, -1)]).all()


def test_files_that_cannot_be_read_are_counted(tmp_path, caplog):
    for c in "ab":
        picture(tmp_path / c)
    for i in range(3):
        text(tmp_path / "a" / f"{i}.heic")
    text(tmp_path / "b" / "x.m4a")
    text(tmp_path / "b" / "Thumbs.db")
    data.load(tmp_path)
    assert "4 files are left out, which cannot be read (3 .heic, 1 .m4a)" in caplog.text
    text(tmp_path / "c" / "x.heic")
    refused(r"no file of class folder 'c' can be read \(1 \.heic\)", tmp_path)


def test_a_part_of_a_class_that_cannot_be_read(tmp_path):
    for part in ("train", "test"):
        for c in "ab":
            picture(tmp_path / part / c)
    for file in (tmp_path / "test" / "a").iterdir():
        file.rename(file.with_suffix(".svg"))
    refused(r"class folder 'test/a' can be read \(6 \.svg\)", tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".webp", ".bmp"])
@pytest.mark.parametrize("keep", [0, 20, 0.7])
def test_broken_files_are_named(tmp_path, suffix, keep):
    rng = np.random.default_rng(0)
    for c in "ab":
        picture(tmp_path / c)
    file = tmp_path / "b" / f"broken{suffix}"
    Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    refused(f"broken{suffix}: unreadable picture .*: remove or replace it", tmp_path)


def test_a_script_that_calls_itself_a_picture_is_not_run(tmp_path):
    for c in "ab":
        picture(tmp_path / c)
    text(tmp_path / "a" / "z.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n%%EOF\n")
    refused(r"z\.png: unreadable picture", tmp_path)


def test_links(tmp_path):
    for c in ("a", "b"):
        picture(tmp_path / "data" / c)
    picture(tmp_path / "elsewhere" / "c" / "deep")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "elsewhere" / "c")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "b" / "up").symlink_to(tmp_path / "data" / "b")
    (tmp_path / "elsewhere" / "c" / "deep" / "again").symlink_to(tmp_path / "elsewhere")
    d = data.load(tmp_path / "data")
    assert d.class_names == ("a", "b", "c") and len(d) == 18
    (tmp_path / "data" / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    refused(r"gone\.png: a link that leads to no file", tmp_path / "data")


def test_one_name_in_two_spellings(tmp_path):
    picture(tmp_path / "train" / "Caf\u00e9")
    picture(tmp_path / "test" / "Cafe\u0301", n=2)  # the same letters, composed otherwise
    picture(tmp_path / "train" / "bar")
    picture(tmp_path / "test" / "bar", n=2)
    d = data.load(tmp_path)
    assert d.class_names == ("Caf\u00e9", "bar") and (d.split == "test").sum() == 4
    picture(tmp_path / "test" / "Bar")
    refused("'Bar' and 'bar' would be two classes|'bar' and 'Bar' would be two classes", tmp_path)
