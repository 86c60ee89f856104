"""Files that took minutes or gigabytes to read, or ended in a traceback, until they were refused in one line."""

import os
import struct
import warnings
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from safetensors.numpy import save_file

from autonoise import data
from autonoise.data import cells, pictures
from autonoise.data.label_noise import read_matrix
from autonoise.errors import DataError, PolicyError
from autonoise.ops import clips
from autonoise.ops.clips import load_clips

Y = np.arange(40) % 2


def refused(match, source, error=DataError):
    with pytest.raises(error, match=match) as e:
        data.load(source) if error is DataError else load_clips(str(source), "", 8000, "cpu")
    assert "\n" not in str(e.value) and len(str(e.value)) < 500


def test_a_number_of_very_many_digits():
    """A hundred digits are read; for 20,000 the patterns of numbers would take minutes."""
    rows = np.ones(21, dtype=int)
    for digits, missing in ((100, False), (101, True), (20_000, True)):
        read = cells.numbers(["1.5"] * 20 + ["9" * digits], rows, share=0.9)
        assert read is not None and np.isnan(read.values[20]) == missing, digits
        assert read.values[0] == 1.5


def test_class_names_are_compared_in_one_pass(tmp_path):
    """Each name with each other one would be 2,000 million comparisons."""
    np.savez(tmp_path / "a.npz", X=np.zeros((40, 3)), y=Y, class_names=np.arange(60_000))
    assert data.load(tmp_path / "a.npz").class_names[:2] == ("0", "1")
    np.savez(tmp_path / "a.npz", X=np.zeros((40, 3)), y=Y, class_names=np.array(["u", "v", "u"]))
    refused("class_names holds 'u' twice", tmp_path / "a.npz")


def test_arrays_of_odd_shapes(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((40, 300)), y=Y, sample_rate=np.zeros((60, 3)))
    refused(r"sample_rate must be one number in 1..1e\+06, but got an array of shape \(60, 3\)", tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", X=np.array(3.0), y=Y)
    refused("X is a single value and no array of rows", tmp_path / "a.npz")


def test_a_zip_with_a_password(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((40, 3)), y=Y)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        start = archive.start_dir
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark, 0 if flags == 6 else start)
        content[at + flags] |= 1
    (tmp_path / "a.npz").write_bytes(bytes(content))
    refused("password", tmp_path / "a.npz")


def test_a_safetensors_file_that_was_cut_off(tmp_path):
    save_file({"X": np.zeros((40, 3)), "y": Y}, tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(content[:-40])
    refused("not a .safetensors file, or a part of one", tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", 2**60) + content[8:])
    refused("not a .safetensors file, or a part of one", tmp_path / "a.safetensors")


def folder(root, mode, size=(9, 7)):
    for name in ("u", "v"):
        (root / name).mkdir(parents=True)
        for i in range(6):
            Image.new(mode, size).save(root / name / f"{i}.png")
    return root


def test_more_pixels_than_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BLENDED", 62)
    monkeypatch.setattr(pictures, "MOST_DEEP", 62)
    for mode in ("RGBA", "P", "I;16"):
        refused("million pixels, above the 0 million", folder(tmp_path / mode.strip(";16"), mode))
    assert len(data.load(folder(tmp_path / "plain", "RGB"))) == 12
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as the command line does
        refused("unreadable picture .*decompression bomb", tmp_path / "plain")


def test_clips_that_are_neither_file_nor_folder_or_a_whole_disk(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.npz")  # reading it would wait for ever
    refused("do not exist, or are neither file nor folder", tmp_path / "pipe.npz", PolicyError)
    (tmp_path / "many").mkdir()
    for i in range(4):
        (tmp_path / "many" / f"{i}.txt").touch()
    os.mkfifo(tmp_path / "many" / "pipe.wav")
    refused("no background clips", tmp_path / "many", PolicyError)
    monkeypatch.setattr(clips, "MOST_FILES", 3)
    refused("more than 3 files: name the folder of the clips", tmp_path / "many", PolicyError)


def test_clips_with_arrays_that_do_not_fit(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 50)).astype(np.float32)
    np.savez(tmp_path / "a.npz", X=x, group=np.array("search"))
    refused(
        r"group must hold one value for each of the 6 clips, but its shape is \(\)", tmp_path / "a.npz", PolicyError
    )
    np.savez(tmp_path / "b.npz", X=x, sample_rate=np.array(999_983))
    refused("clips of 999983 Hz cannot be resampled to 8000 Hz", tmp_path / "b.npz", PolicyError)
    np.savez(tmp_path / "c.npz", X=x, sample_rate=np.array(np.inf))
    refused("cannot be read as .npz", tmp_path / "c.npz", PolicyError)


def test_a_matrix_that_is_nested_too_deeply_or_too_large(tmp_path, monkeypatch):
    (tmp_path / "m.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"not a matrix of numbers \(RecursionError"):
        read_matrix(tmp_path / "m.json", 2)
    monkeypatch.setattr("autonoise.data.label_noise.MAX_MATRIX", 10)
    with pytest.raises(DataError, match="it must hold 2 x 2 numbers"):
        read_matrix(tmp_path / "m.json", 2)


def test_a_saved_data_set_whose_lengths_lead_out_of_the_file(tmp_path):
    """Arrow believes what stands in a file: without a check the process would end with a segmentation fault."""
    datasets = pytest.importorskip("datasets")
    saved = datasets.Dataset.from_dict({"text": ["some words", "more words"] * 20, "label": Y.tolist()})
    saved.save_to_disk(str(tmp_path / "saved"))
    assert len(data.load(tmp_path / "saved", data_type="text")) == 40
    (file,) = (tmp_path / "saved").glob("*.arrow")
    lengths = np.arange(41, dtype=np.int32)
    lengths[20] = 2**30
    text = pa.StringArray.from_buffers(40, pa.py_buffer(lengths), pa.py_buffer(b"x" * 40))
    with pa.OSFile(str(file), "wb") as out, pa.ipc.new_stream(out, saved.data.table.schema) as writer:
        writer.write_batch(pa.record_batch([text, pa.array(Y)], schema=saved.data.table.schema))
    refused("unreadable folder of Hugging Face datasets", tmp_path / "saved")
