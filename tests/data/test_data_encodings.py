"""Text files as Windows programs write them: byte-order marks, UTF-16; and labels that are missing."""

import codecs
import gzip

import numpy as np
import pytest

from autonoise import data
from autonoise.data.label_noise import read_matrix
from autonoise.errors import DataError

ENCODINGS = {
    "plain": ("utf-8", b""),
    "utf-8 mark": ("utf-8", codecs.BOM_UTF8),
    "utf-16 little": ("utf-16-le", codecs.BOM_UTF16_LE),
    "utf-16 big": ("utf-16-be", codecs.BOM_UTF16_BE),
    "utf-32 little": ("utf-32-le", codecs.BOM_UTF32_LE),
    "utf-32 big": ("utf-32-be", codecs.BOM_UTF32_BE),
}
every = pytest.mark.parametrize("encoding", ENCODINGS)
zipped = pytest.mark.parametrize("gz", ["", ".gz"])


def write(path, body, encoding):
    name, mark = ENCODINGS[encoding]
    held = mark + body.replace("\n", "\r\n").encode(name)
    path.write_bytes(gzip.compress(held) if path.suffix == ".gz" else held)
    return path


@every
@zipped
def test_archive(tmp_path, encoding, gz):
    body = "@problemName Toy\n@classLabel true ja n\u00f6\n@data\n" + "1,2,3:ja\n4,5,6:n\u00f6\n" * 6
    path = write(tmp_path / f"Toy_TRAIN.ts{gz}", body, encoding)
    write(tmp_path / f"Toy_TEST.ts{gz}", body, encoding)
    d = data.load(path)
    assert d.x.shape == (24, 1, 3) and d.class_names == ("ja", "n\u00f6") and (d.split == "test").sum() == 12
    d = data.load(write(tmp_path / f"a.tsv{gz}", "1\t0.5\t7\n2\t1.5\t8\n" * 6, encoding))
    assert d.data_type == "timeseries" and d.class_names == ("1", "2") and list(d.x[1, 0]) == [1.5, 8]


@every
@zipped
def test_tables_and_texts(tmp_path, encoding, gz):
    d = data.load(write(tmp_path / f"a.csv{gz}", "h\u00f6he;label\n" + "1;a\n2;b\n" * 6, encoding))
    assert list(d.x.columns) == ["h\u00f6he"] and d.class_names == ("a", "b") and list(d.x["h\u00f6he"][:2]) == [1, 2]
    lines = "".join(f"\u201cthe quick brown fox\u201d number {i},{'ab'[i % 2]}\n" for i in range(20))
    d = data.load(write(tmp_path / f"t.csv{gz}", "text,label\n" + lines, encoding))
    assert d.data_type == "text" and d.x[3] == "\u201cthe quick brown fox\u201d number 3"
    d = data.load(write(tmp_path / f"a.jsonl{gz}", '{"v": 1, "y": "a"}\n{"v": 2, "y": "b"}\n' * 6, encoding))
    assert list(d.x["v"][:2]) == [1, 2] and d.class_names == ("a", "b")


@every
def test_matrices_of_label_noise(tmp_path, encoding):
    expected = [[0.75, 0.25], [0.5, 0.5]]
    np.testing.assert_array_equal(read_matrix(write(tmp_path / "m.csv", "0.75,0.25\n0.5,0.5\n", encoding), 2), expected)
    np.testing.assert_array_equal(read_matrix(write(tmp_path / "m.json", str(expected), encoding), 2), expected)


@pytest.mark.parametrize(
    ("name", "body", "match"),
    [
        ("a.csv", "a,label\n".encode("utf-16-le"), "without a byte-order mark: save it as UTF-8"),
        ("a.ts", "@data\n".encode("utf-16-be"), "without a byte-order mark"),
        ("a.csv", b"a,label\n\xfcber,1\n", "not a text in Unicode .*save it as UTF-8"),
        ("a.ts", b"@data\n1,2:gr\xfcn\n", "not a text in Unicode"),
    ],
)
def test_other_encodings_are_refused(tmp_path, name, body, match):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(DataError, match=match) as e:
        data.load(tmp_path / name)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.ts", "@data\n" + "1,2:a\n1,2:b\n" * 6 + "3,4:?\n"),
        ("a.ts", "@data\n" + "1,2:1\n1,2:2\n" * 6 + "3,4: ?\n"),
        ("a.tsv", "1\t2\t3\n2\t4\t5\n" * 6 + "?\t6\t7\n"),
        ("a.csv", "v,label\n" + "1,a\n2,b\n" * 6 + "3,?\n"),
    ],
)
def test_a_question_mark_is_no_class(tmp_path, name, body):
    (tmp_path / name).write_text(body)
    with pytest.raises(DataError, match="missing or infinite label in row 12: remove such rows"):
        data.load(tmp_path / name)
