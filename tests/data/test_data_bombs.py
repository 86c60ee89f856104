"""Small files that claim or unfold to gigabytes: one clear line, before the memory is taken."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from autonoise import data
from autonoise.array_files import open_npz
from autonoise.data import tables
from autonoise.data.label_noise import read_matrix
from autonoise.errors import DataError, PolicyError
from autonoise.ops.clips import load_clips
from autonoise.study.folder import RunResult

Y = np.arange(40) % 2


def refused(match, source):
    with pytest.raises(DataError, match=match) as e:
        data.load(source)
    assert "\n" not in str(e.value) and len(str(e.value)) < 400


def header(shape, descr="<f8", values=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + values


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    ("shape", "descr"),
    [((10**9, 1000), "<f8"), ((3, 1), "<U500000000"), ((10**12, 0), "<f8"), ((10**12, 1), "<U0"), ((2**63, 2), "|u1")],
)
def test_an_array_that_claims_more_than_its_file_holds(tmp_path, shape, descr):
    path = archive(tmp_path / "a.npz", X=header(shape, descr, bytes(24)), y=header((3,), values=bytes(24)))
    assert path.stat().st_size < 500
    refused("array X claims to be .* more than the file holds", path)


def test_a_header_that_fits_is_read(tmp_path):
    path = archive(
        tmp_path / "a.npz",
        X=header((40, 2), values=np.arange(80.0).tobytes()),
        y=header((40,), "<i8", Y.astype("<i8").tobytes()),
    )
    assert np.asarray(data.load(path).x).shape == (40, 2)
    with open_npz(path, DataError) as stored:
        assert stored["X"][39, 1] == 79


def test_other_places_that_read_arrays(tmp_path):
    path = archive(tmp_path / "a.npz", X=header((10**9, 1000), "<f4"))
    with pytest.raises(PolicyError, match="claims to be 1000000000x1000"):
        load_clips(str(path), "", 8000, "cpu")
    (tmp_path / "m.npy").write_bytes(header((10**7, 10**7)))
    with pytest.raises(DataError, match="claims to be 10000000x10000000"):
        read_matrix(tmp_path / "m.npy", 2)
    archive(tmp_path / "run.npz", head=header((10**12,)), correct=header((10**12,)))
    assert RunResult.load(tmp_path / "run.npz") is None  # as any damaged result: the training runs again
    assert not (tmp_path / "run.npz").exists()


def test_zeros_that_unfold(tmp_path):
    zeros = bytes(2**20)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("X.npy", "w") as member:
            member.write(header((300, 2**17)))
            for _ in range(300):
                member.write(zeros)
        file.writestr("y.npy", header((40,), "<i8", Y.astype("<i8").tobytes()))
    refused("unfolds to more than 256 MiB, above 50 times its size.*save it without compression", tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.ts.gz", "a.tsv.gz"])
def test_compressed_text_that_unfolds(tmp_path, name):
    with gzip.open(tmp_path / name, "wb") as file:
        file.write(b"a,y\n")
        for _ in range(66):
            file.write(b"1,1\n" * 2**18)
    refused("unfolds to more than 64 MiB", tmp_path / name)


def test_compressed_text_of_usual_density_is_read(tmp_path):
    pd.DataFrame({"a": np.arange(40), "y": Y}).to_csv(tmp_path / "a.csv.gz", index=False)
    assert len(data.load(tmp_path / "a.csv.gz")) == 40


@pytest.mark.parametrize(
    ("columns", "limit"),
    [
        ({"a": pa.array(np.zeros(34_000_000, dtype=np.int8))}, 256),
        ({"a": pa.array(["x" * 500_000] * 150), "y": pa.array(np.arange(150) % 2)}, 64),
        ({"a": pa.array(["x" * 500_000] * 150).dictionary_encode(), "y": pa.array(np.arange(150) % 2)}, 64),
        ({"a": pa.ListArray.from_arrays([0, 34_000_000], pa.array(np.zeros(34_000_000, dtype=np.int8)))}, 256),
    ],
    ids=["numbers", "texts", "categories", "lists"],
)
def test_parquet_that_unfolds(tmp_path, columns, limit):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 2_000_000
    refused(f"unfolds to more than {limit} MiB", tmp_path / "a.parquet")


def test_parquet_of_long_texts_is_read(tmp_path):
    """As many bytes as could be too much, were all texts as long as their column: they are measured, and fit."""
    rng = np.random.default_rng(0)
    texts = [" ".join(map(str, rng.integers(0, 9999, 100))) for _ in range(3000)]
    pd.DataFrame({"text": texts, "y": np.arange(3000) % 2}).to_parquet(tmp_path / "a.parquet")
    assert data.load(tmp_path / "a.parquet").x[7] == texts[7]


def test_series_of_very_different_lengths(tmp_path):
    (tmp_path / "a.ts").write_text("@data\n" + ",".join(["1"] * 100_000) + ":0\n" + "1:1\n2:0\n" * 10_000)
    refused("rows of very different lengths, which take 14.9 GiB", tmp_path / "a.ts")
    (tmp_path / "b.ts").write_text("@data\n" + ",".join(["1"] * 1000) + ":0\n" + "1:1\n2:0\n" * 100)
    assert np.asarray(data.load(tmp_path / "b.ts").x).shape == (201, 1, 1000)


def test_tensors_that_show_few_numbers_as_many(tmp_path):
    torch.save({"X": torch.zeros(1).expand(10**8, 1000), "y": torch.zeros(1).expand(10**8)}, tmp_path / "a.pt")
    refused("a tensor claims to be 100000000x1000", tmp_path / "a.pt")
    torch.save({"X": torch.arange(80.0).reshape(40, 2), "y": torch.from_numpy(Y)}, tmp_path / "b.pt")
    assert len(data.load(tmp_path / "b.pt")) == 40


def test_a_label_as_long_as_a_file(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n" + "1,u\n2,v\n" * 20 + "1," + "x" * 100_000 + "\n")
    refused("one of the labels has 100,000 characters", tmp_path / "a.csv")


def test_very_many_columns(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_COLUMNS", 3)
    frame = pd.DataFrame({"a": Y, "b": Y, "c": Y, "y": Y})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        refused("4 columns, more than the 3", tmp_path / name)


def test_sound_that_unfolds_or_has_an_odd_rate(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for name, rate in (("u", 16000), ("v", 999_983)):
        (tmp_path / "odd" / name).mkdir(parents=True)
        for i in range(3):
            soundfile.write(tmp_path / "odd" / name / f"{i}.wav", np.zeros(100), rate)
    refused("999983 Hz cannot be resampled to 16000 Hz", tmp_path / "odd")
    (tmp_path / "long" / "u").mkdir(parents=True)
    with soundfile.SoundFile(tmp_path / "long" / "u" / "a.flac", "w", 16000, 1) as file:
        for _ in range(70):
            file.write(np.zeros(10**6))
    refused("unfolds to more than 256 MiB", tmp_path / "long")
