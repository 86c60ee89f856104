"""Files of the training part alone decide the form that all rows get: size, colours, rate and length."""

import numpy as np
import pytest
from PIL import Image

from autonoise import data


def folder(root, part, make, n=6):
    for c in "ab":
        (root / part / c).mkdir(parents=True)
        for i in range(n):
            make(root / part / c / str(i), i, c)


def test_size_and_colours_of_pictures(tmp_path):
    def grey(stem, i, c):
        Image.new("L", (6, 4), 40 * i + (c == "b")).save(f"{stem}.png")

    def colour(stem, i, c):
        Image.new("RGB", (10, 10), (200, 0, 0)).save(f"{stem}.png")

    folder(tmp_path, "train", grey)
    folder(tmp_path, "test", colour, n=20)
    d = data.load(tmp_path)
    assert d.x.shape == (52, 4, 6, 1)
    assert (d.x[d.split == "test"] == 60).all()  # 0.299 * 200, the brightness of that red
    assert "40 pictures resized to 6x4" in d.notes
    assert "40 pictures in colour become grey, as all training pictures are" in d.notes


def test_rate_and_length_of_clips(tmp_path):
    soundfile = pytest.importorskip("soundfile")

    def at(rate, samples):
        def make(stem, i, c):
            wave = 0.5 * np.sin(2 * np.pi * 200 * np.arange(samples) / rate)
            soundfile.write(f"{stem}.wav", wave, rate)

        return make

    folder(tmp_path, "train", at(8000, 800))
    folder(tmp_path, "test", at(4000, 600), n=20)
    d = data.load(tmp_path)
    assert d.sample_rate == 8000 and d.x.shape == (52, 800)
    assert "clips resampled to 8000 Hz (found 40 of 4000 Hz, 12 of 8000 Hz)" in d.notes
    assert "40 clips cut to 0.10 s, the 99th percentile of training" in d.notes
    train, test = d.x[d.split == "train"], d.x[d.split == "test"]
    np.testing.assert_allclose(test[0, 100:700], train[0, 100:700], atol=5e-3)  # the same sine


def test_one_long_training_clip_does_not_make_all_rows_long(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(100):
            samples = 500 if c == "a" and i == 0 else 100 if i < 20 else 80
            soundfile.write(tmp_path / c / f"{i}.wav", np.full(samples, 0.25), 8000)
    d = data.load(tmp_path)
    assert d.x.shape == (200, 100) and "1 clips cut to 0.01 s, the 99th percentile of training" in d.notes
    np.testing.assert_allclose(d.x[np.isfinite(d.x)], 0.25, atol=1e-4)


def test_channels_and_rates_are_told(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(6):
            left = np.full(100 + i, 0.5)
            wave = np.stack([left, 0 * left], 1) if i < 2 else left
            soundfile.write(tmp_path / c / f"{i}.wav", wave, 16000)
    d = data.load(tmp_path)
    assert d.sample_rate == 16000 and "4 clips of several channels are mixed down to their mean" in d.notes
    assert not any("resampled" in note for note in d.notes)
    np.testing.assert_allclose(d.x[0, :100], 0.25, atol=1e-4)  # the mean of 0.5 and 0
    assert np.isnan(d.x[0, 100:]).all() and not np.isnan(d.x[0, :100]).any()  # padding follows the end


def test_clips_above_the_usual_rate_are_resampled(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(3):
            soundfile.write(tmp_path / c / f"{i}.wav", 0.5 * np.sin(2 * np.pi * 200 * np.arange(882) / 44100), 44100)
    d = data.load(tmp_path)
    assert d.sample_rate == 16000 and d.x.shape == (6, 320)
    np.testing.assert_allclose(d.x[0, 60:260], 0.5 * np.sin(2 * np.pi * 200 * np.arange(60, 260) / 16000), atol=0.01)
