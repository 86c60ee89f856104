"""Reading sources: what each file format becomes, by hand-made files."""

import gzip
import logging

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonoise import data
from autonoise.data.builtin import cbf_series
from autonoise.data.tabular import from_frame
from autonoise.types import DataType


def labels(n, k=2):
    return np.arange(n) % k


@pytest.mark.parametrize(
    ("name", "data_type", "rows", "classes"),
    [
        ("digits", "image", 1797, 10),
        ("breast_cancer", "tabular", 569, 2),
        ("wine", "tabular", 178, 3),
        ("cylinder-bell-funnel", "timeseries", 3000, 3),
        ("toy_topics", "text", 3000, 6),
    ],
)
def test_builtin(name, data_type, rows, classes):
    d = data.load(name)
    assert (d.data_type, len(d), d.classes) == (DataType(data_type), rows, classes)
    assert set(d.y) == set(range(classes)) and d.y.dtype == np.int64
    assert d.name in data.builtin_names()
    assert d.fingerprint == data.load(name).fingerprint and d.fingerprint.startswith("sha256:")


def test_builtin_audio_and_descriptions():
    d = data.load("tone_words")
    assert d.x.shape == (2500, 8000) and d.x.dtype == np.float32 and d.sample_rate == 8000
    assert 0.1 < np.abs(d.x).max() <= 1 and not np.isnan(d.x).any()
    assert all(data.builtin_names().values())


def test_digits_use_the_whole_byte():
    d = data.load("digits")
    assert d.x.dtype == np.uint8 and d.x.shape[1:] == (8, 8, 1)
    assert (d.x.min(), d.x.max()) == (0, 255) and len(np.unique(d.x)) == 17


def test_cbf_mean_shape_against_a_second_derivation():
    rng = np.random.default_rng(0)
    a, w = rng.integers(16, 33, 20_000), rng.integers(32, 97, 20_000)
    t = np.arange(1, 129)
    inside = (t >= a[:, None]) & (t <= (a + w)[:, None])
    ramp = (t - a[:, None]) / w[:, None]
    expected = [6 * inside.mean(0), 6 * (inside * ramp).mean(0), 6 * (inside * (1 - ramp)).mean(0)]
    for c in range(3):
        drawn = cbf_series(np.full(20_000, c), np.random.default_rng(1)).mean(axis=0)
        np.testing.assert_allclose(drawn, expected[c], atol=0.12)


def test_npz_images_with_official_split_and_class_names(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 5), dtype=np.uint8)
    np.savez(
        tmp_path / "shirts.npz",
        X_train=x[:20],
        Y_TRAIN=labels(20),
        x_test=x[20:],
        y_test=labels(10),
        class_names=np.array(["a", "b"]),
    )
    d = data.load(tmp_path / "shirts.npz")
    assert d.name == "shirts" and d.data_type is DataType.IMAGE and d.x.shape == (30, 6, 5, 1)
    np.testing.assert_array_equal(d.x[..., 0], x)
    assert d.class_names == ("a", "b") and list(d.split) == ["train"] * 20 + ["test"] * 10


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("channels_first", [False, True])
def test_float_images_become_bytes(tmp_path, scale, channels_first):
    x = np.random.default_rng(0).integers(0, 256, (20, 7, 6, 3)) / 255 * scale
    stored = x.transpose(0, 3, 1, 2) if channels_first else x
    np.savez(tmp_path / "a.npz", X=stored, y=labels(20))
    np.testing.assert_array_equal(data.load(tmp_path / "a.npz").x, np.round(x / scale * 255))


@pytest.mark.parametrize(
    ("shape", "dtype", "extra", "expected"),
    [
        ((20, 8, 8), "uint8", {}, "image"),
        ((20, 1, 30), "float32", {}, "timeseries"),
        ((20, 3, 30), "int32", {}, "timeseries"),
        ((20, 50), "int16", {"sample_rate": 8000}, "audio"),
        ((20, 50), "float32", {"sample_rate": 8000}, "audio"),
        ((20, 50), "float32", {}, "tabular"),
        ((20, 50), "int64", {}, "tabular"),
        ((20, 1, 50), "float64", {"sample_rate": 8000}, "audio"),
    ],
)
def test_npz_type_from_shape(tmp_path, shape, dtype, extra, expected):
    x = np.sin(np.arange(np.prod(shape))).reshape(shape)
    np.savez(tmp_path / "a.npz", X=(x * (100 if dtype[0] in "iu" else 1)).astype(dtype), y=labels(20), **extra)
    d = data.load(tmp_path / "a.npz")
    assert d.data_type == expected and d.sample_rate == extra.get("sample_rate")


def test_npz_audio_scale_lengths_and_groups(tmp_path):
    x = np.full((20, 10), 16384, dtype=np.int16)
    length = np.full(20, 10)
    length[3] = 4
    np.savez(
        tmp_path / "a.npz",
        X_train=x,
        y_train=labels(20),
        length_train=length,
        speaker_train=np.arange(20) // 5,
        sample_rate=8000,
    )
    d = data.load(tmp_path / "a.npz", group="speaker")
    assert (d.x[0] == 0.5).all()
    assert np.isnan(d.x[3, 4:]).all() and (d.x[3, :4] == 0.5).all()
    assert list(d.group) == list(np.arange(20) // 5) and d.split is None


def test_npz_series_from_a_matrix_and_text(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.ones((20, 9)), y=labels(20))
    assert data.load(tmp_path / "a.npz", data_type="timeseries").x.shape == (20, 1, 9)
    np.savez(tmp_path / "t.npz", X=np.array([f"sentence {i}" for i in range(20)]), y=labels(20))
    d = data.load(tmp_path / "t.npz")
    assert d.data_type is DataType.TEXT and d.x[7] == "sentence 7"


def test_npz_noisy_and_clean_labels(tmp_path):
    clean, noisy, test = labels(20), labels(20).copy(), labels(10)
    noisy[:4] = 1 - noisy[:4]
    np.savez(
        tmp_path / "a.npz",
        X_train=np.ones((20, 2)),
        X_test=np.ones((10, 2)),
        y_train=clean,
        y_test=test,
        y_train_human=noisy,
    )
    d = data.load(tmp_path / "a.npz", target="y_train_human", clean_target="y_train")
    np.testing.assert_array_equal(d.y, np.concatenate([noisy, test]))
    np.testing.assert_array_equal(d.clean_y, np.concatenate([clean, test]))


def test_csv_table(tmp_path):
    rows = ["size,colour,Label,split,patient"]
    rows += [
        f"{i},{['red', 'blue', ''][i % 3]},{['no', 'NA'][i % 2]},{'Train' if i < 18 else 'Validation'},p{i // 2}"
        for i in range(24)
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    d = data.load(tmp_path / "t.csv", group="patient")
    assert d.data_type is DataType.TABULAR and list(d.x.columns) == ["size", "colour"]
    assert d.class_names == ("NA", "no") and list(d.y[:4]) == [1, 0, 1, 0]  # "NA" is a class, not a missing label
    assert d.x["size"].dtype == np.float64 and d.x["colour"].dtype == object
    assert d.x["colour"].isna().sum() == 8
    assert list(np.unique(d.split)) == ["train", "valid"] and list(d.group[:5]) == [0, 0, 1, 1, 2]


def test_csv_text_keeps_words_that_pandas_calls_missing(tmp_path):
    lines = [f"the quick brown fox number {i}" for i in range(20)] + ["NA", "null"]
    body = "text,label\n" + "\n".join(f"{t},{i % 2}" for i, t in enumerate(lines))
    with gzip.open(tmp_path / "t.csv.gz", "wt") as f:
        f.write(body)
    d = data.load(tmp_path / "t.csv.gz")
    assert d.name == "t" and d.data_type is DataType.TEXT and d.x == lines


def test_csv_of_semicolons_and_series(tmp_path):
    (tmp_path / "t.csv").write_text("a;b;y\n" + "\n".join(f"{i};{-i};{i % 2}" for i in range(20)))
    assert list(data.load(tmp_path / "t.csv").x.columns) == ["a", "b"]
    d = data.load(tmp_path / "t.csv", data_type="timeseries")
    assert d.x.shape == (20, 1, 2) and list(d.x[3, 0]) == [3, -3]


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "jsonl.gz"])
def test_parquet_and_jsonl(tmp_path, kind):
    frame = pd.DataFrame(
        {
            "n": [1.5, None] * 10,
            "b": [True, False] * 10,
            "s": ["x", "y"] * 10,
            "target": ["u", "v"] * 10,
        }
    )
    path = tmp_path / f"t.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_json(path, orient="records", lines=True)
    d = data.load(path)
    assert d.class_names == ("u", "v") and d.data_type is DataType.TABULAR
    assert list(d.x["b"][:2]) == ["True", "False"] and d.x["n"].isna().sum() == 10


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_frames_of_dates_durations_and_categories(zone):
    when = pd.to_datetime(["1970-01-02", None]).tz_localize(zone)
    frame = pd.DataFrame({"when": when, "took": pd.to_timedelta([90, None], unit="s"), "kind": pd.Categorical([1, 2])})
    x = from_frame(frame, "toy")
    assert x["when"][0] == 1.0 and x["took"][0] == 90 / 86400 and x.loc[1, ["when", "took"]].isna().all()
    assert list(x["kind"]) == ["1", "2"] and list(x.dtypes) == [np.float64, np.float64, object]


TS = "# comment\n@problemName Toy\n@univariate false\n@classLabel true a b\n@data\n"


def test_ts_pair_of_files(tmp_path):
    train = TS + "".join(f"1,2,?,4:{i},{i},{i},{i}:{'ab'[i % 2]}\n" for i in range(12))
    test = TS + "1,2:5,6:a\n3,4:7,8:b\n"
    (tmp_path / "Toy_TRAIN.ts").write_text(train)
    (tmp_path / "Toy_TEST.ts").write_text(test)
    d = data.load(tmp_path / "Toy_TRAIN.ts")
    assert d.x.shape == (14, 2, 4) and d.class_names == ("a", "b") and list(d.split[-3:]) == ["train", "test", "test"]
    np.testing.assert_array_equal(d.x[0, 0], [1, 2, np.nan, 4])
    np.testing.assert_array_equal(d.x[-1, 1], [7, 8, np.nan, np.nan])


def test_ucr_tsv_and_ordinary_tsv(tmp_path):
    (tmp_path / "a.tsv").write_text("".join(f"{1 + i % 2}\t{i}\t0.5\n" for i in range(12)))
    d = data.load(tmp_path / "a.tsv")
    assert d.data_type is DataType.TIMESERIES and d.x.shape == (12, 1, 2) and d.class_names == ("1", "2")
    (tmp_path / "b.tsv").write_text("w\tlabel\n" + "".join(f"{i}\t{i % 2}\n" for i in range(12)))
    assert data.load(tmp_path / "b.tsv").data_type is DataType.TABULAR


def test_picture_folder_with_splits(tmp_path, caplog):
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("test", 2)):
        for c in ("cat", "dog"):
            (tmp_path / part / c).mkdir(parents=True)
            for i in range(n):
                size = (9, 9) if i == 1 else (8, 6)
                image = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
                image.save(tmp_path / part / c / f"{i}.png")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not a picture")
    with caplog.at_level(logging.INFO, logger="autonoise"):
        d = data.load(tmp_path)
    assert d.x.shape == (16, 6, 8, 3) and d.class_names == ("cat", "dog")
    assert (d.split == "test").sum() == 4
    assert "4 pictures resized to 8x6" in caplog.text


def test_picture_folder_grey_large_and_16_bit(tmp_path):
    for c, value in (("a", 0), ("b", 65535)):
        (tmp_path / c).mkdir()
        for i in range(6):
            Image.fromarray(np.full((50, 100), value, dtype=np.uint16)).save(tmp_path / c / f"{i}.png")
    d = data.load(tmp_path)
    assert d.x.shape == (12, 32, 64, 1)
    assert (d.x[d.y == 0] == 0).all() and (d.x[d.y == 1] == 255).all()


def test_sound_folder(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    t = np.arange(1600)
    for c, hz in (("low", 200), ("high", 900)):
        (tmp_path / c).mkdir()
        for i in range(6):
            rate = 16000 if i == 0 else 8000
            n = 800 * rate // 8000 if i else 1600
            wave = 0.5 * np.sin(2 * np.pi * hz * t[:n] / rate)
            soundfile.write(tmp_path / c / f"{i}.wav", np.stack([wave, wave], 1) if i == 2 else wave, rate)
    d = data.load(tmp_path)
    assert d.data_type is DataType.AUDIO and d.sample_rate == 8000 and d.x.shape == (12, 800)
    high = d.x[d.y == d.class_names.index("high")]
    # the resampled clip and the stereo one are the same sine as the others, away from the edges
    np.testing.assert_allclose(high[0, 100:700], high[1, 100:700], atol=5e-3)
    np.testing.assert_allclose(high[2], high[1], atol=1e-4)


def labelled(path, names, **columns):
    pd.DataFrame({"v": range(len(names)), **columns, "label": names}).to_csv(path, index=False)
    return path


def test_rare_classes_are_kept_where_they_can_be_trained_on_and_judged(tmp_path, caplog):
    names = ["a"] * 20 + ["b"] * 20 + ["c"] * 2 + ["d"]
    d = data.load(labelled(tmp_path / "t.csv", names))
    assert d.class_names == ("a", "b", "c") and len(d) == 42  # one row of c to train on, one to be tested on
    assert d.left_out.classes == ("d",) and (d.left_out.rows, d.left_out.test_rows) == (1, None)
    assert "1 class with too few training rows left out, with 1 row: 'd'" in caplog.text
    merged = data.load(tmp_path / "t.csv", merge_rare=6)
    assert merged.class_names == ("a", "b", "other") and (merged.y == 2).sum() == 3 and merged.left_out is None


def test_rare_classes_beside_official_test_rows(tmp_path):
    names = ["a"] * 30 + ["b"] * 30 + ["c"] * 4 + ["d"] * 3
    split = (["train"] * 20 + ["test"] * 10) * 2 + ["train", "test", "test", "test"] + ["test"] * 3
    d = data.load(labelled(tmp_path / "t.csv", names, split=split))
    assert d.class_names == ("a", "b", "c") and (d.y == 2).sum() == 4  # its one row is trained on, three are judged
    assert (d.left_out.classes, d.left_out.rows, d.left_out.test_rows) == (("d",), 3, 3)
    assert "3 of them test rows" in str(d.left_out) and str(d.left_out) in " ".join(d.notes)


def test_rare_classes_of_groups_cannot_be_moved_row_by_row(tmp_path):
    names = ["a"] * 20 + ["b"] * 20 + ["c"] * 4
    d = data.load(labelled(tmp_path / "t.csv", names, g=[i % 8 for i in range(44)]), group="g")
    assert d.class_names == ("a", "b") and d.left_out.rows == 4


def test_a_further_part_keeps_every_class(tmp_path):
    first = data.load(labelled(tmp_path / "t.csv", ["a", "b", "c"] * 9))
    more = data.load(labelled(tmp_path / "u.csv", ["a"] * 5 + ["b"] * 5 + ["c"]), like=first)
    assert more.class_names == ("a", "b", "c") and more.left_out is None


@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_column_that_holds_the_answer_is_told(tmp_path, kind):
    rng, n = np.random.default_rng(0), 300
    y = rng.integers(0, 3, n)
    leak = 10.0 * y + rng.random(n) if kind == "number" else [f"k{2 * v + i % 2}" for i, v in enumerate(y)]
    frame = pd.DataFrame({"leak": leak, "noise": rng.normal(size=n), "half": y * (rng.random(n) < 0.7), "label": y})
    frame["split"] = np.where(np.arange(n) < 240, "train", "test")
    frame.to_csv(tmp_path / "t.csv", index=False)
    (note,) = data.load(tmp_path / "t.csv").notes
    assert "column 'leak' alone gives accuracy 1.000" in note or "column 'leak' alone gives accuracy 0.9" in note
    frame.loc[frame["split"] == "train", "leak"] = leak[0]  # only test rows hold the answer: nobody may know
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert not data.load(tmp_path / "t.csv").notes


def test_fingerprint_sees_every_part(tmp_path):
    frame = pd.DataFrame({"v": np.arange(20.0), "s": ["p", "q"] * 10, "label": [0, 1] * 10})
    prints = set()
    for change in (None, ("v", 99.0), ("s", "q"), ("label", 1)):
        changed = frame.copy()
        if change:
            changed.loc[0, change[0]] = change[1]
        changed.to_csv(tmp_path / "t.csv", index=False)
        prints.add(data.load(tmp_path / "t.csv").fingerprint)
    assert len(prints) == 4
