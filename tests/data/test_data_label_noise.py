"""Label noise: the realised fractions are what was asked for."""

import json

import numpy as np
import pytest

from autonoise.data.label_noise import corrupt_labels, read_matrix
from autonoise.errors import DataError


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.405, 1.0])
def test_symmetric_noise_hits_exactly_the_rate(rate):
    y = np.arange(1000) % 4
    before = y.copy()
    noisy = corrupt_labels(y, rate=rate, classes=4, rng=rng())
    assert (noisy != y).sum() == round(rate * 1000)
    assert noisy.dtype == np.int64 and set(noisy) <= {0, 1, 2, 3}
    np.testing.assert_array_equal(y, before)
    np.testing.assert_array_equal(noisy, corrupt_labels(y, rate=rate, classes=4, rng=rng()))


def test_symmetric_noise_is_uniform_over_the_other_classes():
    noisy = corrupt_labels(np.zeros(30_000, dtype=int), rate=1.0, classes=4, rng=rng())
    np.testing.assert_allclose(np.bincount(noisy) / 30_000, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.012)


def test_matrix_noise_realises_its_rows():
    matrix = np.array([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])
    y = np.repeat([0, 1, 2], 20_000)
    noisy = corrupt_labels(y, matrix=matrix, classes=3, rng=rng())
    for c in range(3):
        drawn = np.bincount(noisy[y == c], minlength=3) / 20_000
        np.testing.assert_allclose(drawn, matrix[c], atol=0.015)
        assert (drawn[matrix[c] == 0] == 0).all()


@pytest.mark.parametrize("suffix", ["csv", "npy", "json"])
def test_matrix_files(tmp_path, suffix):
    matrix = np.array([[0.9, 0.1], [0.4, 0.6]])
    path = tmp_path / f"m.{suffix}"
    {
        "csv": lambda: np.savetxt(path, matrix, delimiter=","),
        "npy": lambda: np.save(path, matrix),
        "json": lambda: path.write_text(json.dumps(matrix.tolist())),
    }[suffix]()
    np.testing.assert_allclose(read_matrix(path, 2), matrix)
    with pytest.raises(DataError, match="must be 3 x 3"):
        read_matrix(path, 3)


@pytest.mark.parametrize(
    ("name", "body", "match"),
    [
        ("m.csv", "0.5,0.5\n0.5,0.6\n", "row 1 sums to 1.1"),
        ("m.csv", "1.5,-0.5\n0,1\n", "negative"),
        ("m.csv", "a,b\nc,d\n", "not a matrix"),
        ("m.json", '{"a": 1}', "not a matrix"),
        ("m.json", "[[1, 0], [1]]", "not a"),
        ("m.npy", "nonsense", "not a matrix"),
        ("m.txt", "1", "cannot read '.txt'"),
        ("m.csv", "nan,1\n0,1\n", "not finite"),
    ],
)
def test_bad_matrix_files(tmp_path, name, body, match):
    (tmp_path / name).write_text(body)
    with pytest.raises(DataError, match=match) as e:
        read_matrix(tmp_path / name, 2)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("kw", "match"),
    [
        ({}, "either"),
        ({"rate": 0.1, "matrix": np.eye(2)}, "either"),
        ({"rate": 1.1}, "0 <= rate <= 1"),
        ({"matrix": np.ones((2, 2))}, "sums to 2"),
    ],
)
def test_refusals(tmp_path, kw, match):
    with pytest.raises(DataError, match=match):
        corrupt_labels(np.array([0, 1]), classes=2, rng=rng(), **kw)
    with pytest.raises(DataError, match="no such file"):
        read_matrix(tmp_path / "none.csv", 2)
    with pytest.raises(DataError, match="labels must be"):
        corrupt_labels(np.array([0, 2]), rate=0.1, classes=2, rng=rng())
