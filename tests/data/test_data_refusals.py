"""Bad sources: one clear line each, naming the place and the remedy."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonoise import data
from autonoise.errors import DataError, MissingExtraError, UnknownNameError

Y = np.arange(20) % 2
X = np.ones((20, 3))


def refused(match, source, error=DataError, **kw):
    with pytest.raises(error, match=match) as e:
        data.load(source, **kw)
    assert "\n" not in str(e.value)


def npz(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


def csv(tmp_path, **columns):
    pd.DataFrame(columns).to_csv(tmp_path / "a.csv", index=False)
    return tmp_path / "a.csv"


def test_paths(tmp_path):
    refused("no such file", tmp_path / "none.csv")
    refused("no such file", "none.csv")
    (tmp_path / "a.csv").write_bytes(b"")
    refused("empty", tmp_path / "a.csv")
    (tmp_path / "a.xyz").write_text("x")
    refused(r"cannot read \.xyz: give \.npz, \.csv", tmp_path / "a.xyz")
    refused("no class folders", tmp_path)


@pytest.mark.parametrize("name", ["a.npz", "a.csv.gz", "a.parquet", "a.jsonl", "a.jsonl.gz"])
def test_unreadable_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x93nonsense {[ \xff\xfe")
    refused("unreadable", tmp_path / name)


def test_truncated_npz(tmp_path):
    path = npz(tmp_path, X=np.random.default_rng(0).random((20, 500)), y=Y)
    path.write_bytes(path.read_bytes()[:2000])
    refused("unreadable", path)


def test_names():
    refused("did you mean digits", "digit", error=UnknownNameError)
    refused("did you mean image", "digits", error=UnknownNameError, data_type="imag")
    refused("no columns", "wine", target="y")
    refused("is image data", "digits", data_type="audio")


def test_size_limits(tmp_path):
    path = npz(tmp_path, X=X, y=Y)
    refused("above the limit", path, max_bytes=100)
    np.savez_compressed(path, X=np.zeros((20, 100_000)), y=Y)  # a small file that unpacks to 16 MB
    assert path.stat().st_size < 100_000
    refused("above the limit", path, max_bytes=1_000_000)


def test_label_columns(tmp_path):
    refused("found none of label, target, class, y", csv(tmp_path, a=Y, b=Y))
    refused("found several of", csv(tmp_path, a=Y, y=Y, Label=Y))
    refused("no column 'z'", csv(tmp_path, a=Y, y=Y), target="z")
    refused("no column 'g'", csv(tmp_path, a=Y, y=Y), group="g")
    refused("no feature column", csv(tmp_path, y=Y))
    refused("needs arrays X_train", npz(tmp_path, data=X))
    refused("no label array 'y'", npz(tmp_path, X=X))
    refused("no label array 'q'", npz(tmp_path, X=X, y=Y), target="q")
    refused("no label array 'q'", npz(tmp_path, X=X, y=Y), clean_target="q")
    refused("no group array 'q'", npz(tmp_path, X=X, y=Y), group="q")


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.zeros(20), "only 1 class"),
        (np.where(Y, np.nan, 1.0), "missing or infinite label"),
        (np.where(Y, np.inf, 1.0), "missing or infinite label"),
        (np.linspace(0, 1, 20), "regression"),
        (np.array(["a", ""] * 10), "missing or infinite label"),
        (np.array(["1.0", "nan"] * 10), "missing or infinite"),
        (np.arange(20), "20 rows for 20 classes"),
        (Y[:15], "20 train rows"),
        (np.eye(20), "one per row"),
    ],
)
def test_bad_labels(tmp_path, labels, match):
    refused(match, npz(tmp_path, X=X, y=labels))


@pytest.mark.parametrize("dtype", [float, str])
def test_integral_regression_targets(tmp_path, dtype):
    prices = (np.arange(300) % 100 + 1000).astype(float).astype(dtype)
    refused("look like a continuous target", npz(tmp_path, X=np.ones((300, 2)), y=prices))


def test_many_classes_of_enough_rows_are_fine(tmp_path):
    path = npz(tmp_path, X=np.ones((600, 2)), y=np.arange(600) % 60)
    assert data.load(path).classes == 60


def test_missing_labels_in_tables(tmp_path):
    refused("missing or infinite label", csv(tmp_path, a=Y, y=[0, 1, None] * 6 + [0, 1]))
    pd.DataFrame({"a": Y, "y": ["u", None] * 10}).to_parquet(tmp_path / "t.parquet")
    refused("missing label in row 1", tmp_path / "t.parquet")


def test_ragged_rows(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n" + "1,0\n2,1\n" * 10 + "1,2,3,4\n")
    refused("unreadable|ragged", tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("a,y\n" + "1,0,7\n2,1,8\n" * 10)
    refused("ragged", tmp_path / "b.csv")
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.ones(2), np.ones(3)]
    np.savez(tmp_path / "a.npz", X=ragged, y=np.arange(2), allow_pickle=True)
    refused("Python objects", tmp_path / "a.npz")
    refused("different shapes", npz(tmp_path, X_train=X, X_test=X[:, :2], y_train=Y, y_test=Y))
    (tmp_path / "a.ts").write_text("@data\n" + "1,2:1,2:a\n1,2:b\n" * 6)
    refused("ragged", tmp_path / "a.ts")
    (tmp_path / "l.jsonl").write_text('{"v": [1, 2], "y": 0}\n{"v": [3], "y": 1}\n' * 8)
    refused("lists or objects", tmp_path / "l.jsonl")


@pytest.mark.parametrize(
    ("x", "data_type", "extra", "match"),
    [
        (X, "image", {}, "pictures must be"),
        (X, "text", {}, "texts must be"),
        (np.ones((20, 4, 4, 3)), "timeseries", {}, "series must be"),
        (np.ones((20, 4, 5)), "tabular", {}, "table must"),
        (np.ones((20, 4, 5)), "audio", {"sample_rate": 8000}, "audio must be"),
        (np.ones((20, 4, 4, 7)), None, {}, "1 or 3 channels"),
        (np.full((20, 4, 4, 3), -1.0), None, {}, "pixels must"),
        (X * 3, "audio", {"sample_rate": 8000}, "must lie in -1..1"),
        (X * 0.1, "audio", {"sample_rate": -5}, "sample_rate must"),
        (X * 0.1, "audio", {"sample_rate": 8000, "length": np.full(20, 9)}, "lengths must lie in"),
        (np.where(X == 1, np.nan, X), "timeseries", {}, "no value at all"),
        (np.array([[0.1, np.nan, 0.1]] * 20), "audio", {"sample_rate": 8000}, "inside clip 0"),
        (np.ones((20, 2, 2, 2, 2)), None, {}, "fits no data type"),
    ],
)
def test_arrays_that_contradict_their_type(tmp_path, x, data_type, extra, match):
    refused(match, npz(tmp_path, X=x, y=Y, **extra), data_type=data_type)


@pytest.mark.parametrize("data_type", ["tabular", "timeseries", "audio"])
def test_infinite_values(tmp_path, data_type):
    x = X * 0.5
    x[4, 1] = np.inf
    refused("infinite value in row 4", npz(tmp_path, X=x, y=Y, sample_rate=8000), data_type=data_type)


def test_tables_that_contradict_their_type(tmp_path):
    refused("a table cannot hold image", csv(tmp_path, a=Y, y=Y), data_type="image")
    refused("which column holds the text", csv(tmp_path, a=Y, b=Y, y=Y), data_type="text")
    refused("numbers only", csv(tmp_path, a=["u", "v"] * 10, y=Y), data_type="timeseries")
    refused("split column holds 'trian'", csv(tmp_path, a=Y, y=Y, split=["train", "trian"] * 10))
    refused("no train rows", csv(tmp_path, a=Y, y=Y, split=["test"] * 20))
    refused("no rows", csv(tmp_path, a=[], y=[]))
    for shape in ((0, 3), (0, 8, 8, 3), (0, 1, 9)):
        refused("no rows", npz(tmp_path, X=np.zeros(shape), y=np.zeros(0, dtype=int)))


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ("1,2:a\n", "before @data"),
        ("@data\n1,2\n", "no label"),
        ("@data\n1,x:a\n", "not a number"),
        ("@timeStamps true\n@data\n", "time stamps"),
        ("@targetlabel true\n@data\n", "regression"),
        ("@classLabel false\n@data\n", "no class labels"),
        ("@data\n", "no rows"),
    ],
)
def test_bad_ts(tmp_path, body, match):
    (tmp_path / "a.ts").write_text(body)
    refused(match, tmp_path / "a.ts")
    refused("holds time series", tmp_path / "a.ts", data_type="image")


def test_folders(tmp_path, monkeypatch):
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(6):
            Image.new("L", (4, 4)).save(tmp_path / c / f"{i}.png")
    refused("no columns", tmp_path, target="y")
    refused("pictures or clips", tmp_path, data_type="text")
    refused("above the limit", tmp_path, max_bytes=10)
    (tmp_path / "a" / "x.png").write_text("not a picture")
    refused("unreadable picture", tmp_path)
    for c in "ab":
        (tmp_path / c / "x.wav").write_text("not a sound")
    refused("both pictures and clips", tmp_path)
    pytest.importorskip("soundfile")
    refused("unreadable sound file", tmp_path, data_type="audio")
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    refused(r"autonoise\[audio\]", tmp_path, error=MissingExtraError, data_type="audio")
