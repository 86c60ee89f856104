"""Data in memory: what people hold becomes one file that reads back as the same rows and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from autonoise.data import load
from autonoise.data.objects import collect, store
from autonoise.errors import DataError
from autonoise.types import DataType

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).round(3)
Y = np.arange(60) % 3


def test_a_pair_of_arrays_reads_back(tmp_path: Path) -> None:
    path = store((X, Y), tmp_path)
    data = load(path)
    assert data.data_type is DataType.TABULAR
    assert np.allclose(np.asarray(data.x), X)
    assert (data.y == Y).all()
    assert data.split is None
    assert store((X, Y), tmp_path) == path  # named after the content
    assert store((X + 1, Y), tmp_path) != path


@pytest.mark.parametrize("order", ["documented", "scikit-learn"])
def test_four_arrays_in_both_usual_orders(tmp_path: Path, order: str) -> None:
    a, b, c, d = X[:40], Y[:40], X[40:], Y[40:]
    data = load(store((a, b, c, d) if order == "documented" else (a, c, b, d), tmp_path))
    assert data.split is not None
    assert (data.split == ["train"] * 40 + ["test"] * 20).all()
    assert np.allclose(np.asarray(data.x), X)
    assert (data.y == Y).all()


def test_four_arrays_of_one_length_are_told_apart_by_their_labels() -> None:
    held = collect((X[:20], X[20:40], Y[:20], Y[20:40]))
    assert np.array_equal(held.parts["test"].rows, X[20:40])
    assert np.array_equal(held.parts["test"].labels, Y[20:40])
    with pytest.raises(DataError, match="lengths 40, 20, 30, 20"):
        collect((X[:40], Y[:20], X[:30], Y[:20]))


def test_tensors_one_hot_labels_and_half_precision(tmp_path: Path) -> None:
    hot = torch.nn.functional.one_hot(torch.from_numpy(Y), 3)
    data = load(store((torch.from_numpy(X).bfloat16().requires_grad_(), hot), tmp_path))
    assert (data.y == Y).all()
    assert np.allclose(np.asarray(data.x), X, atol=0.02)


def test_strings_and_string_labels(tmp_path: Path) -> None:
    texts = [f"this is sentence number {i} of the set, about {'cats' if i % 2 else 'dogs'}" for i in range(40)]
    data = load(store((texts, ["cats" if i % 2 else "dogs" for i in range(40)]), tmp_path))
    assert data.data_type is DataType.TEXT
    assert data.x == texts
    assert data.class_names == ("cats", "dogs")


def test_a_frame_with_a_target(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": X[:, 0], "kind": ["x", "y", None] * 20, "mixed": [1, "b", None] * 20, "won": Y})
    frame.index = frame.index + 7
    data = load(store(frame, tmp_path, target="won"), target="won")
    assert isinstance(data.x, pd.DataFrame)
    assert list(data.x.columns) == ["a", "kind", "mixed"]
    assert np.allclose(data.x["a"], X[:, 0])
    assert (data.y == Y).all()
    with pytest.raises(DataError, match=r"which column .* Say target="):
        store(frame, tmp_path)
    with pytest.raises(DataError, match="no column 'lost'"):
        store(frame, tmp_path, target="lost")
    assert store(frame.rename(columns={"won": "label"}), tmp_path).suffix == ".parquet"


def test_a_frame_of_features_with_a_series_of_labels(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    labels = pd.Series(["no", "yes", "so"] * 20, index=range(5, 65))  # matched by position, not by index
    data = load(store((frame, labels), tmp_path))
    assert [data.class_names[v] for v in data.y] == labels.to_list()


class Pictures(Dataset[Any]):
    classes = ("cat", "dog", "eel")

    def __init__(self, kind: str, n: int = 30) -> None:
        self.kind, self.n = kind, n
        self.pixels = np.random.default_rng(1).integers(0, 256, (n, 8, 9, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        picture = Image.fromarray(self.pixels[i])
        if self.kind == "pil":
            return picture, i % 3
        if self.kind == "mapping":
            return {"image": self.pixels[i], "label": torch.tensor(i % 3)}
        return torch.from_numpy(self.pixels[i]).permute(2, 0, 1).float() / 255, torch.tensor(i % 3)


@pytest.mark.parametrize("kind", ["pil", "tensor", "mapping"])
def test_a_data_set_of_pictures(tmp_path: Path, kind: str) -> None:
    pictures = Pictures(kind)
    data = load(store(pictures, tmp_path))
    assert data.data_type is DataType.IMAGE
    assert np.array_equal(np.asarray(data.x), pictures.pixels)
    assert data.class_names == ("cat", "dog", "eel")
    assert (data.y == np.arange(30) % 3).all()


def test_a_pair_and_a_mapping_of_data_sets(tmp_path: Path) -> None:
    train, test = Subset(Pictures("pil", 40), range(25)), Pictures("pil", 20)
    for data in (store((train, test), tmp_path), store({"train": train, "test": test}, tmp_path)):
        read = load(data)
        assert read.split is not None
        assert (read.split == ["train"] * 25 + ["test"] * 20).all()


def test_a_tensor_data_set_of_series(tmp_path: Path) -> None:
    x = torch.randn(30, 2, 50, generator=torch.Generator().manual_seed(0))
    data = load(store(TensorDataset(x, torch.arange(30) % 2), tmp_path))
    assert data.data_type is DataType.TIMESERIES
    assert np.allclose(np.asarray(data.x), x.numpy())


def test_rows_of_different_lengths_end_in_nan() -> None:
    rows = [np.ones((2, 5)), np.ones((2, 3))] * 5
    held = collect((rows, np.arange(10) % 2)).parts[""].rows
    assert np.shape(held) == (10, 2, 5)
    assert np.isnan(np.asarray(held)[1]).tolist() == [[False, False, False, True, True]] * 2
    assert not np.isnan(np.asarray(held)[0]).any()


def test_transparent_pictures_lie_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    held = collect([(clear, 0)] * 5 + [(Image.new("RGBA", (4, 4), (10, 20, 30, 255)), 1)] * 5)
    rows = np.asarray(held.parts[""].rows)
    assert (rows[0] == 255).all()
    assert tuple(rows[5, 0, 0]) == (10, 20, 30)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (Stream(), "cannot read data from a Stream"), (7, "cannot read data from a int"), ({}, "a mapping must name"),
        ({"a": X, "b": Y}, "a mapping must name splits"), ((X, Y[:5]), "60 rows need as many labels"),
        ([1, 2, 3], "an item of the data set must be"), ((X, None), "need as many labels"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_refused(tmp_path: Path, data: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        store(data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_files_of_tensors(tmp_path: Path) -> None:
    x, y = torch.from_numpy(X).float(), torch.from_numpy(Y)
    torch.save({"X_train": x[:40], "y_train": y[:40], "X_test": x[40:], "y_test": y[40:]}, tmp_path / "parts.pt")
    torch.save((x, y), tmp_path / "pair.pt")
    save_file({"X": x, "y": y}, str(tmp_path / "data.safetensors"))
    for name in ("parts.pt", "pair.pt", "data.safetensors"):
        data = load(tmp_path / name)
        assert np.allclose(np.asarray(data.x), X, atol=1e-6), name
        assert (data.y == Y).all()
    torch.save({"X": x, "y": y, "model": Stream()}, tmp_path / "code.pt")
    with pytest.raises(DataError, match="not a file of tensors alone"):
        load(tmp_path / "code.pt")


def test_hugging_face_data_sets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    texts = [f"a sentence that is about subject number {i} and nothing else" for i in range(40)]
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    whole = datasets.Dataset.from_dict({"text": texts, "label": [i % 2 for i in range(40)]}, features=features)
    both = datasets.DatasetDict({"train": whole.select(range(30)), "test": whole.select(range(30, 40))})
    for source in (store(whole, tmp_path), store(both, tmp_path)):
        data = load(source)
        assert data.data_type is DataType.TEXT
        assert data.x == texts
        assert [data.class_names[v] for v in data.y] == ["no", "yes"] * 20
    both.save_to_disk(str(tmp_path / "saved"))
    data = load(tmp_path / "saved")
    assert data.x == texts
    assert data.split is not None
    assert list(data.split).count("test") == 10
    with pytest.raises(DataError, match="streaming"):
        store(whole.to_iterable_dataset(), tmp_path)

    pixels = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    shown = datasets.Dataset.from_dict(
        {"image": [Image.fromarray(p) for p in pixels], "label": [i % 2 for i in range(20)]},
        features=datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}),
    )
    assert np.array_equal(np.asarray(load(store(shown, tmp_path)).x)[..., 0], pixels)


@pytest.mark.parametrize("kind", ["array", "text", "frame"])
def test_groups_of_a_mapping_are_kept(tmp_path: Path, kind: str) -> None:
    texts = [f"a sentence about number {i}" for i in range(60)]
    rows: Any = {"array": X, "text": texts, "frame": pd.DataFrame(X)}[kind]
    cut = (lambda a, b: rows.iloc[a:b]) if kind == "frame" else (lambda a, b: rows[a:b])
    held = {"X_train": cut(0, 40), "y_train": Y[:40], "X_test": cut(40, 60), "y_test": Y[40:]}
    groups = {"subject_train": np.arange(40) % 8, "subject_test": np.arange(20) % 2 + 8, "note": "by hand"}
    data = load(store({**held, **groups}, tmp_path))
    assert data.group is not None and list(data.group) == [*(np.arange(40) % 8), *(np.arange(20) % 2 + 8)]
    assert load(store({**held, **groups}, tmp_path), group="none").group is None
    with pytest.raises(DataError, match="'subject_train' of the mapping has no value for every row"):
        store({**held, "subject_train": np.arange(3)}, tmp_path)


def test_lengths_and_full_scale_of_a_mapping_are_kept(tmp_path: Path) -> None:
    series = {"X": np.ones((60, 2, 9)) * np.arange(9), "y": Y, "lengths": np.full(60, 4)}
    x = np.asarray(load(store(series, tmp_path)).x)
    assert np.isnan(x[:, :, 4:]).all() and (x[:, :, 3] == 3).all()
    dark = np.full((60, 5, 5), 90, dtype=np.uint8)
    assert (np.asarray(load(store({"X": dark, "y": Y, "full_scale": 180}, tmp_path)).x) == 128).all()


def test_pictures_of_more_than_8_bits_keep_their_numbers(tmp_path: Path) -> None:
    class Scans(Dataset[Any]):
        def __len__(self) -> int:
            return 60

        def __getitem__(self, i: int) -> tuple[Image.Image, int]:
            return Image.fromarray(np.array([[0, 1000], [2048, 4095]], dtype=np.uint16)), i % 3

    x = np.asarray(load(store(Scans(), tmp_path)).x)
    np.testing.assert_array_equal(x[0, ..., 0], [[0, 62], [128, 255]])
